/** The codes that belong to the protocol: docs/wire/call.md, section 5. Operations declare further ones. */
export type ProtocolCode =
  | "NOT_FOUND"
  | "FORBIDDEN"
  | "INVALID_INPUT"
  | "INVALID_OPERATION_TYPE"
  | "INTERNAL"
  | "TIMEOUT";

/** Any code, with completion for the protocol's own. */
export type Code = ProtocolCode | (string & {});

export interface CallErrorOptions {
  /** The same call may succeed later. Default: true for TIMEOUT only. */
  retryable?: boolean;
  /** As the operation declares; leave out if there are none. */
  details?: unknown;
  /** Why, on this side; never sent. */
  cause?: unknown;
}

/**
 * How a call fails: what the other end answered, or what went wrong on the way.
 * A handler throws one to choose the code. Decide upon `code`, never upon
 * `message`.
 */
export class CallError extends Error {
  readonly code: Code;
  readonly retryable: boolean;
  readonly details: unknown;

  constructor(code: Code, message: string, options: CallErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CallError";
    this.code = code;
    this.retryable = options.retryable ?? code === "TIMEOUT";
    this.details = options.details;
  }
}

/** The error of requests whose connection is gone. */
export function connectionClosed(reason: string): CallError {
  return new CallError("INTERNAL", reason === "" ? "connection closed" : `connection closed: ${reason}`);
}
