package sqlparse

import (
	"google.golang.org/protobuf/reflect/protoreflect"
)

// walk visits every message of a parse tree, outermost first, whatever its
// kind; visit returns false to leave what is below out.
func walk(m protoreflect.Message, visit func(protoreflect.Message) bool) {
	if !m.IsValid() || !visit(m) {
		return
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Kind() != protoreflect.MessageKind:
		case f.IsList():
			for l, i := v.List(), 0; i < l.Len(); i++ {
				walk(l.Get(i).Message(), visit)
			}
		default:
			walk(v.Message(), visit)
		}
		return true
	})
}
