package recovery

import "fmt"

const swapped = "are --production and --recovery swapped?"

// refuseSwappedNames: the databases' names say the opposite of their roles.
func (r *restore) refuseSwappedNames() error {
	if r.recovery == nil {
		return nil
	}
	was, is, backup := r.o.Source.Database, r.production.catalog.Database, r.recovery.catalog.Database
	if was == "" || was == is || was != backup {
		return nil
	}
	return refuse(Usage, fmt.Sprintf("the deletion was in database %s, which is the name of the recovery database here, and production is %s; %s", was, is, swapped))
}

// refuseSwapped: everything asked for is in production, and the recovery
// database has nothing of it. It must be called after classify.
func (r *restore) refuseSwapped() error {
	if r.recovery == nil {
		return nil
	}
	var asked, there int64
	for _, t := range r.tables {
		asked += t.count.Requested - t.count.Parents
		there += t.unknown
	}
	if asked == 0 || there < asked {
		return nil
	}
	return refuse(Usage, fmt.Sprintf("all of the %s asked for are in production (%s), and none is in the recovery database (%s); %s",
		plural(asked, "row"), r.production.where(), r.recovery.where(), swapped))
}
