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
// Documents with unevaluatedItems, unevaluatedProperties or $dynamicRef are
// left to github.com/google/jsonschema-go, on decoded values. There integers
// beyond 64 bits, fractions and the numbers of the schema itself are rounded
// to float64, the fault is not located, and the depth of values is limited by
// the number of subschemas that apply to one part.
//
// A schema is somebody's input too: $ref never leaves the document
// ([RemoteError]), one that refers to itself without end is refused, and so is
// one of more than 10,000 subschemas.
//
// [For] derives a schema from a Go type.
package schema
