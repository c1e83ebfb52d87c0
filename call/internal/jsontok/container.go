package jsontok

// Members is the state of an object that is being read.
type Members struct {
	base  int // of its names in Scanner.names
	begun bool
	set   *nameSet // nil while the members are few
}

// Elements is the state of an array that is being read.
type Elements struct{ begun bool }

// Object enters an object; pull its members with [Scanner.Member]. It is an
// error if something else comes next.
func (s *Scanner) Object() (Members, error) {
	if err := s.enter('{', "an object"); err != nil {
		return Members{}, err
	}
	if s.names == nil {
		s.names = make([]name, 0, 2*fewNames)
	}
	return Members{base: len(s.names)}, nil
}

// Member consumes the name of the next member; its value comes next and must
// be consumed before the next call. At the end of the object it reports false
// and the object is left.
func (s *Scanner) Member(m *Members) (Text, bool, error) {
	s.space()
	if s.pos >= len(s.data) {
		return Text{}, false, s.fail(s.pos, "the input ends inside an object")
	}
	switch c := s.data[s.pos]; {
	case c == '}':
		s.pos++
		s.depth--
		s.names = s.names[:m.base]
		return Text{}, false, nil
	case m.begun && c != ',':
		return Text{}, false, s.unexpected("',' or '}'")
	case m.begun:
		s.pos++
		s.space()
	}
	m.begun = true
	start := s.pos
	t, err := s.text()
	if err != nil {
		return Text{}, false, err
	}
	if !s.remember(m, t, start) {
		return Text{}, false, s.fail(start, "two members of one name in an object")
	}
	s.space()
	if s.pos >= len(s.data) || s.data[s.pos] != ':' {
		return Text{}, false, s.unexpected("':'")
	}
	s.pos++
	return t, true, nil
}

// Array enters an array; pull its elements with [Scanner.Element]. It is an
// error if something else comes next.
func (s *Scanner) Array() (Elements, error) {
	return Elements{}, s.enter('[', "an array")
}

// Element reports whether a further element comes next; it must be consumed
// before the next call. At the end of the array the array is left.
func (s *Scanner) Element(e *Elements) (bool, error) {
	s.space()
	if s.pos >= len(s.data) {
		return false, s.fail(s.pos, "the input ends inside an array")
	}
	switch c := s.data[s.pos]; {
	case c == ']':
		s.pos++
		s.depth--
		return false, nil
	case e.begun && c != ',':
		return false, s.unexpected("',' or ']'")
	case e.begun:
		s.pos++
		s.space()
		if s.pos < len(s.data) && s.data[s.pos] == ']' {
			return false, s.unexpected("a value")
		}
	}
	e.begun = true
	return true, nil
}

func (s *Scanner) enter(open byte, what string) error {
	if s.space(); s.pos >= len(s.data) || s.data[s.pos] != open {
		return s.unexpected(what)
	}
	if len(s.data) > maxLen {
		return s.fail(s.pos, "an input of more than 2 GiB")
	}
	if s.depth == MaxDepth {
		return s.fail(s.pos, "objects and arrays nested more than 128 deep")
	}
	s.depth++
	s.pos++
	return nil
}
