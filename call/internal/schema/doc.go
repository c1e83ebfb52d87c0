// Package schema validates JSON against JSON Schema, Draft 2020-12, while it
// is being scanned.
//
// [Compile] turns a schema into a validator over the tokens of package
// jsontok: a value is read once, nothing is decoded and nothing allocated on
// the usual path. Only a part of a value to which several schemas apply
// (allOf, anyOf, oneOf, not, if, contains, a pattern beside a property) is
// read once more for each, and the total of that is bounded.
//
// What is asserted is what the draft asserts by default: format and the
// content keywords are annotations, as every unknown keyword is. Numbers
// compare exactly, whatever their size; 1.0 is an integer and equals 1.
// Exponents count up to 15 digits. Patterns are RE2 (package regexp), not
// ECMA-262: lookaround and back references do not compile. multipleOf has 18
// digits at most.
//
// unevaluatedItems and unevaluatedProperties cost a bit for each part of the
// value, and one more reading if parts are left for them. $dynamicRef is settled
// when the schema is compiled, once for each dynamic scope; 8 names of
// $dynamicAnchor at most can be meant.
//
// A schema is somebody's input too: $ref never leaves the document
// ([RemoteError]), one that refers to itself without end is refused, and so is
// one of more than 10,000 subschemas, counted in each dynamic scope.
//
// [For] derives a schema from a Go type.
package schema
