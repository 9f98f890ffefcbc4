package guard

import "strings"

// maxColumns is how many a statement may return: MaxTupleAttributeNumber.
const maxColumns = 1664

// crowded reports whether a DELETE or UPDATE returns so many columns that there is no room
// for those that are captured: then it is counted. Only of one whose text could, or could
// return none, which the server refuses, that is asked.
func (p *plan) crowded(st judged, describe func() ([]byte, error)) (bool, error) {
	more := p.captured.Width
	if p.captured.Wrapped { // its parts hold columns of the target beside the client's
		more += len(p.target.Columns)
	}
	stars, width := strings.Count(st.Text, "*"), len(p.target.Columns)
	unsure := stars > 0 && (width == 0 || st.Joins) || strings.Count(st.Text, ",")+stars*width+1+more > maxColumns
	if returns := st.Returning || st.Update != nil && st.Update.Returning; !returns || !unsure {
		return false, nil
	}
	if p.fields == nil {
		var err error
		if p.fields, err = describe(); err != nil {
			return false, err
		}
	}
	if int(p.fields[0])<<8+int(p.fields[1])+more <= maxColumns {
		return false, nil
	}
	p.count = "it returns so many columns that there is no room for the key"
	return true, nil
}
