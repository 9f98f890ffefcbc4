// Package yamlstrict decodes YAML that people write: every key must be known and
// stand once, every value must be of its kind, and each error names the line and,
// where a key is misspelt, the one that may have been meant.
//
// Nothing is decoded by reflection: Mapping is told each key with a function for
// its value, so that a value's own rules are checked where its line is known.
//
//	var limit int64
//	err := yamlstrict.Mapping(node, "setting",
//		yamlstrict.Key{Name: "threshold", Decode: yamlstrict.Int(&limit)},
//		yamlstrict.Key{Name: "mode", Decode: yamlstrict.OneOf(&mode, "block", "alert")},
//	)
//
// Texts appear in no error: they may be secrets. Merge keys (<<) are not understood.
package yamlstrict
