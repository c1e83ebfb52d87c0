// Package jsontok reads JSON strictly and without allocation from a complete
// slice of bytes.
//
// It accepts RFC 8259 narrowed by RFC 7493 (I-JSON): valid UTF-8, no lone
// surrogate in an escape, no two members of one name in an object (compared
// after unescaping), no byte order mark. Containers nest at most [MaxDepth]
// deep. Numbers may have any size and stay bytes; what they mean is the
// caller's affair.
//
// A [Scanner] is pulled: look at [Scanner.Kind], then consume exactly that
// value.
//
//	var sc jsontok.Scanner
//	sc.Reset(frame)
//	obj, err := sc.Object()
//	for err == nil {
//		name, ok, e := sc.Member(&obj)
//		if e != nil || !ok {
//			err = e
//			break
//		}
//		switch {
//		case name.Is("type"):
//			typ, err = sc.Text()
//		default:
//			_, err = sc.Skip()
//		}
//	}
//	if err == nil {
//		err = sc.End()
//	}
//
// Every byte is looked at once, and what a Scanner has handed out has been
// checked completely. Memory beyond the input is twelve bytes a member of the
// objects that are open, and eight more each in objects of many members.
package jsontok
