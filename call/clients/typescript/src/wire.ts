// The messages of docs/wire/call.md, sections 3, 4 and 8: written strictly,
// read tolerantly.

import { CallError } from "./error.js";

export type Event =
  | "call.requested"
  | "call.responded"
  | "call.completed"
  | "call.error"
  | "call.aborted"
  | "call.credit";

export interface Envelope {
  type: string;
  id: string;
  payload: Record<string, unknown>;
}

const maxMessage = 64 << 20;
const maxDepth = 128;
const maxId = 256;

/** A message that is no envelope. The connection cannot go on. */
export class MalformedMessage extends Error {}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

export function decode(data: unknown): Envelope {
  if (typeof data !== "object" || data === null || !("byteLength" in data)) {
    throw new MalformedMessage("not a binary message");
  }
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(data as ArrayBuffer));
  } catch {
    throw new MalformedMessage("not JSON");
  }
  if (!isObject(value) || !Object.hasOwn(value, "payload")) {
    throw new MalformedMessage("not an envelope");
  }
  const { type, id, payload } = value;
  if (typeof type !== "string" || typeof id !== "string" || encoder.encode(id).length > maxId) {
    throw new MalformedMessage("not an envelope");
  }
  return { type, id, payload: isObject(payload) ? payload : {} };
}

/** Throws a CallError if the peer would have to refuse the message. */
export function encode(type: Event, id: string, payload: object): Uint8Array<ArrayBuffer> {
  let text: string;
  try {
    text = JSON.stringify({ type, id, payload });
  } catch (cause) {
    throw new CallError("INVALID_INPUT", "a value cannot be written as JSON", { cause });
  }
  check(text);
  const bytes = encoder.encode(text);
  if (bytes.length > maxMessage) {
    throw new CallError("INVALID_INPUT", `a message of ${bytes.length} bytes is more than 64 MiB`);
  }
  return bytes;
}

const quote = 0x22;
const backslash = 0x5c;

/** Section 3.2, as far as JSON.stringify does not keep it: depth, and surrogates, which it escapes if they are alone. */
function check(text: string): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === quote) {
        inString = false;
      } else if (c === backslash) {
        i++;
        if (text[i] === "u" && text[i + 1] === "d") {
          throw new CallError("INVALID_INPUT", "a string holds half of a surrogate pair");
        }
      }
    } else if (c === quote) {
      inString = true;
    } else if (c === 0x7b || c === 0x5b) {
      if (++depth > maxDepth) {
        throw new CallError("INVALID_INPUT", `a message has at most ${maxDepth} nested arrays and objects`);
      }
    } else if (c === 0x7d || c === 0x5d) {
      depth--;
    }
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as JSON will have it: undefined is null. */
export function orNull(value: unknown): unknown {
  return value === undefined ? null : value;
}

/** Section 4.5. */
export function readError(payload: Record<string, unknown>): CallError {
  const { code, message, retryable, details } = payload;
  if (typeof code !== "string") {
    return new CallError("INTERNAL", "an error that cannot be read", { retryable: false });
  }
  return new CallError(code, typeof message === "string" ? message : "", {
    retryable: retryable === true,
    ...(Object.hasOwn(payload, "details") ? { details } : {}),
  });
}

export function writeError(error: CallError): object {
  return {
    code: error.code,
    message: error.message,
    retryable: error.retryable,
    ...(error.details === undefined ? {} : { details: error.details }),
  };
}

/** Section 4.3: names have no slash in front but on the wire. */
export function bareName(operation: string): string {
  return operation.startsWith("/") ? operation.slice(1) : operation;
}
