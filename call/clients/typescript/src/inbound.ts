import { CallError } from "./error.js";
import { notFound, told, type CallContext, type Handler, type Operation, type Operations, type StreamHandler } from "./operations.js";
import { bareName, encode, orNull, writeError } from "./wire.js";

/** How answers reach the other end. */
export interface Answers {
  send(message: Uint8Array<ArrayBuffer>): void;
  /** Resolves when not much waits to be sent. */
  drained(signal: AbortSignal): Promise<void>;
}

interface Running {
  readonly stop: AbortController;
  /** Bytes that may still be sent; undefined without flow control. */
  credit: number | undefined;
  more: (() => void) | undefined;
}

const maxCredit = 64 << 20;

/** The calls of the other end on one connection: docs/wire/call.md, section 6.2. */
export class Inbound {
  private readonly answers: Answers;
  private readonly operations: Operations;
  private readonly limit: number;
  private readonly timeoutMs: number;
  private readonly running = new Map<string, Running>();

  constructor(answers: Answers, operations: Operations, limit: number, timeoutMs: number) {
    this.answers = answers;
    this.operations = operations;
    this.limit = limit;
    this.timeoutMs = timeoutMs;
  }

  requested(id: string, payload: Record<string, unknown>): void {
    if (this.running.has(id)) {
      return this.fail(id, new CallError("INVALID_INPUT", "the id belongs to a call that has not ended"));
    }
    if (this.running.size >= this.limit) {
      return this.fail(id, new CallError("INTERNAL", `at most ${this.limit} calls at a time`, { retryable: true }));
    }
    const name = typeof payload["operationId"] === "string" ? bareName(payload["operationId"]) : "";
    const operation = this.operations.get(name);
    if (operation === undefined) {
      return this.fail(id, notFound(name));
    }
    const window = payload["window"];
    const running: Running = {
      stop: new AbortController(),
      credit: typeof window === "number" && Number.isSafeInteger(window) && window > 0 ? window : undefined,
      more: undefined,
    };
    this.running.set(id, running);
    void this.serve(id, running, operation, payload);
  }

  /** Reports whether the id was that of a call of the other end. */
  aborted(id: string): boolean {
    const running = this.running.get(id);
    if (running === undefined) {
      return false;
    }
    this.running.delete(id);
    running.stop.abort(new CallError("INTERNAL", "aborted by the caller"));
    running.more?.();
    return true;
  }

  credited(id: string, payload: Record<string, unknown>): void {
    const running = this.running.get(id);
    const bytes = payload["bytes"];
    if (running?.credit !== undefined && typeof bytes === "number" && Number.isInteger(bytes) && bytes > 0) {
      running.credit = Math.min(running.credit + bytes, maxCredit);
      running.more?.();
    }
  }

  close(): void {
    for (const id of [...this.running.keys()]) {
      this.aborted(id);
    }
  }

  private async serve(id: string, running: Running, operation: Operation, payload: Record<string, unknown>): Promise<void> {
    const { signal } = running.stop;
    const context: CallContext = { signal, operation: operation.name, forwardedFor: payload["forwarded_for"] };
    try {
      const input = orNull(payload["input"]);
      const wrong = operation.spec.check?.(input);
      if (wrong !== undefined) {
        this.end(id, running, encode("call.error", id, writeError(new CallError("INVALID_INPUT", wrong))));
        return;
      }
      const last =
        operation.type === "subscription"
          ? await this.stream(id, running, operation.run as StreamHandler, input, context)
          : await this.once(id, running, operation.run as Handler, input, context);
      this.end(id, running, last);
    } catch (thrown) {
      this.end(id, running, this.error(id, told(operation, thrown)));
    }
  }

  private async once(id: string, running: Running, run: Handler, input: unknown, context: CallContext): Promise<Uint8Array<ArrayBuffer>> {
    const timer = setTimeout(() => {
      const error = new CallError("TIMEOUT", `request timed out after ${this.timeoutMs} ms`);
      this.end(id, running, this.error(id, error));
      running.stop.abort(error);
    }, this.timeoutMs);
    context.signal.addEventListener("abort", () => clearTimeout(timer));
    try {
      return this.answer(id, await run(input, context));
    } finally {
      clearTimeout(timer);
    }
  }

  private async stream(id: string, running: Running, run: StreamHandler, input: unknown, context: CallContext): Promise<Uint8Array<ArrayBuffer>> {
    for await (const output of run(input, context)) {
      await this.room(running);
      if (this.running.get(id) !== running) {
        break; // the loop tells the generator
      }
      const message = this.answer(id, output);
      if (running.credit !== undefined) {
        running.credit -= message.length;
      }
      this.answers.send(message);
    }
    return encode("call.completed", id, {});
  }

  private async room(running: Running): Promise<void> {
    const { signal } = running.stop;
    while (running.credit !== undefined && running.credit <= 0 && !signal.aborted) {
      await new Promise<void>((resolve) => (running.more = resolve));
    }
    await this.answers.drained(signal);
  }

  /** Sends the last message of a request, unless it was given up. */
  private end(id: string, running: Running, message: Uint8Array<ArrayBuffer>): void {
    if (this.running.get(id) === running) {
      this.running.delete(id);
      this.answers.send(message);
    }
  }

  private fail(id: string, error: CallError): void {
    this.answers.send(this.error(id, error));
  }

  private answer(id: string, output: unknown): Uint8Array<ArrayBuffer> {
    try {
      return encode("call.responded", id, { output: orNull(output) });
    } catch (cause) {
      throw new CallError("INTERNAL", "the answer cannot be sent", { cause });
    }
  }

  private error(id: string, error: CallError): Uint8Array<ArrayBuffer> {
    try {
      return encode("call.error", id, writeError(error));
    } catch {
      return encode("call.error", id, writeError(new CallError("INTERNAL", "the error cannot be sent")));
    }
  }
}
