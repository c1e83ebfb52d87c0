import { CallError, type Code } from "./error.js";
import { bareName, isObject } from "./wire.js";

/** A JSON Schema, Draft 2020-12. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

export type OperationType = "query" | "mutation" | "subscription";

export interface ErrorSpec {
  code: Code;
  description?: string;
  schema?: JsonSchema;
  httpStatus?: number;
}

/** Describes an operation to its callers. Everything may be left out. */
export interface OperationSpec {
  description?: string;
  /** Of the input. This package has no validator: `check` must be there too. */
  input?: JsonSchema;
  /** Says what is wrong with an input; undefined if nothing is. Runs before the handler. */
  check?: (input: unknown) => string | undefined;
  /** Of each answer; for callers only, it is not enforced here. */
  output?: JsonSchema;
  /** The codes that the handler throws. Others reach the caller as INTERNAL. */
  errors?: readonly ErrorSpec[];
}

/** What a handler knows of the call that it serves. */
export interface CallContext {
  /** Aborted when the caller gives up, the time is over or the connection ends. */
  readonly signal: AbortSignal;
  readonly operation: string;
  /** For whom the caller says it acts; a claim that grants nothing. */
  readonly forwardedFor: unknown;
}

export type Handler = (input: any, context: CallContext) => unknown;
export type StreamHandler = (input: any, context: CallContext) => AsyncIterable<unknown>;

export interface Operation {
  readonly name: string;
  readonly spec: OperationSpec;
  readonly type: OperationType;
  readonly run: Handler | StreamHandler;
}

const namePattern = /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)+$/;
const protocolCodes = ["NOT_FOUND", "FORBIDDEN", "INVALID_INPUT", "INVALID_OPERATION_TYPE", "INTERNAL", "TIMEOUT"];

/** What this end offers: docs/wire/call.md, section 7. The other end may call all of it. */
export class Operations {
  private readonly all = new Map<string, Operation>();

  constructor() {
    this.put("services/list", "query", (input) => this.list(input), {
      description: "Lists the operations that the caller may call.",
    });
    this.put("services/schema", "query", (input) => this.describe(input), {
      description: "Describes one operation, with its schemas.",
      errors: [{ code: "NOT_FOUND" }, { code: "INVALID_INPUT" }],
    });
  }

  add(operation: string, type: OperationType, run: Handler | StreamHandler, spec: OperationSpec): void {
    const name = bareName(operation);
    if (!namePattern.test(name)) {
      throw new TypeError(`operation ${JSON.stringify(name)}: a name is components of letters, digits, '.', '_' and '-', joined by '/'`);
    }
    if (this.all.has(name)) {
      throw new TypeError(`operation ${name}: it exists already`);
    }
    if (spec.input !== undefined && spec.input !== true && spec.check === undefined) {
      throw new TypeError(`operation ${name}: an input schema needs a check`);
    }
    for (const { code } of spec.errors ?? []) {
      if (protocolCodes.includes(code)) {
        throw new TypeError(`operation ${name}: the code ${code} belongs to the protocol`);
      }
    }
    this.put(name, type, run, spec);
  }

  get(name: string): Operation | undefined {
    return this.all.get(name);
  }

  private put(name: string, type: OperationType, run: Handler | StreamHandler, spec: OperationSpec): void {
    this.all.set(name, { name, type, run, spec });
  }

  private list(input: unknown): unknown {
    const { limit, after } = isObject(input) ? input : {};
    const names = [...this.all.keys()].sort().filter((name) => typeof after !== "string" || name > after);
    const cut = typeof limit === "number" && Number.isInteger(limit) && limit > 0 && limit < names.length;
    const shown = cut ? names.slice(0, limit) : names;
    return {
      operations: shown.map((name) => entry(this.all.get(name)!)),
      ...(cut ? { next: shown[shown.length - 1] } : {}),
      protocol: { concurrent: true },
    };
  }

  private describe(input: unknown): unknown {
    const { name } = isObject(input) ? input : {};
    if (typeof name !== "string") {
      throw new CallError("INVALID_INPUT", "name is missing");
    }
    const operation = this.all.get(bareName(name));
    if (operation === undefined) {
      throw notFound(bareName(name));
    }
    const { spec } = operation;
    return {
      ...entry(operation),
      visibility: "external",
      input_schema: spec.input ?? true,
      output_schema: spec.output ?? true,
      error_schemas: (spec.errors ?? []).map((e) => ({
        code: e.code,
        description: e.description ?? "",
        schema: e.schema ?? true,
        http_status: e.httpStatus ?? null,
      })),
      access_control: { required_scopes: [], required_scopes_any: null, resource_type: null, resource_action: null },
    };
  }
}

function entry({ name, type, spec }: Operation): object {
  return {
    name,
    namespace: name.slice(0, name.indexOf("/")),
    op_type: type,
    ...(spec.description === undefined ? {} : { description: spec.description }),
  };
}

export function notFound(name: string): CallError {
  return new CallError("NOT_FOUND", `operation not found: ${name}`);
}

/** What the caller sees of what a handler threw: section 5.3. */
export function told(operation: Operation, thrown: unknown): CallError {
  if (!(thrown instanceof CallError)) {
    return new CallError("INTERNAL", "the operation failed");
  }
  const { code, message, retryable, details } = thrown;
  const declared = operation.spec.errors?.some((e) => e.code === code) ?? false;
  if (code === "INTERNAL" || declared) {
    return thrown;
  }
  const original = { code, message, ...(details === undefined ? {} : { details }) };
  return new CallError("INTERNAL", message, { retryable, details: original });
}
