import { CallError, connectionClosed } from "./error.js";
import { Queue } from "./queue.js";
import { encode, orNull, readError } from "./wire.js";

/** How a request reaches the other end. */
export interface Sender {
  send(message: Uint8Array<ArrayBuffer>): void;
}

interface Pending {
  respond(output: unknown, bytes: number): void;
  complete(): void;
  abort(): void;
  fail(error: CallError): void;
}

export interface Request {
  operation: string;
  input: unknown;
  authToken: string | undefined;
  signal: AbortSignal | undefined;
}

/** A subscription that has been sent. */
export interface Subscription {
  next(): Promise<IteratorResult<unknown, undefined>>;
  /** Aborts it; a next() that waits finds the end. */
  leave(): void;
}

/** The calls made here on one connection: docs/wire/call.md, section 6.1. */
export class Outbound {
  private readonly sender: Sender;
  private readonly pending = new Map<string, Pending>();
  private readonly prefix = Math.random().toString(36).slice(2, 8) + "-";
  private last = 0;
  private closed: CallError | undefined;

  constructor(sender: Sender) {
    this.sender = sender;
  }

  call(request: Request, timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.newID();
      const timer = setTimeout(() => giveUp(timedOut(timeoutMs)), timeoutMs);
      const cancel = () => giveUp(cancelled(request.signal));
      const done = () => {
        this.pending.delete(id);
        clearTimeout(timer);
        request.signal?.removeEventListener("abort", cancel);
      };
      const fail = (error: unknown) => {
        done();
        reject(error);
      };
      const giveUp = (error: CallError) => {
        fail(error);
        this.abort(id);
      };
      this.pending.set(id, {
        respond: (output) => {
          done();
          resolve(output);
        },
        complete: () => fail(new CallError("INTERNAL", "the operation ended without an answer")),
        abort: () => fail(new CallError("INTERNAL", "request cancelled by the other end")),
        fail,
      });
      request.signal?.addEventListener("abort", cancel);
      try {
        this.request(id, request, undefined);
      } catch (error) {
        fail(error);
      }
    });
  }

  subscribe(request: Request, queueBytes: number): Subscription {
    const id = this.newID();
    const queue = new Queue(queueBytes, (bytes) => this.sender.send(encode("call.credit", id, { bytes })));
    const end = (error?: CallError) => {
      this.pending.delete(id);
      request.signal?.removeEventListener("abort", cancel);
      queue.end(error);
    };
    const giveUp = (error?: CallError) => {
      if (this.pending.has(id)) {
        end(error);
        this.abort(id);
      }
    };
    const cancel = () => {
      queue.discard();
      giveUp(cancelled(request.signal));
    };
    this.pending.set(id, {
      respond: (output, bytes) => {
        if (!queue.add(output, bytes)) {
          giveUp(new CallError("INTERNAL", "the subscriber is too slow: its queue is full", { retryable: true }));
        }
      },
      complete: end,
      abort: end,
      fail: end,
    });
    request.signal?.addEventListener("abort", cancel);
    try {
      this.request(id, request, queue.window);
    } catch (error) {
      end();
      throw error;
    }
    return {
      next: () => queue.next(),
      leave: () => {
        queue.discard();
        giveUp();
      },
    };
  }

  responded(id: string, payload: Record<string, unknown>, bytes: number): void {
    const p = this.pending.get(id);
    if (p !== undefined) {
      p.respond(orNull(payload["output"]), bytes);
    } else if (id.startsWith(this.prefix)) {
      this.abort(id); // what was called for one answer is a subscription, or one was given up
    }
  }

  completed(id: string): void {
    this.pending.get(id)?.complete();
  }

  aborted(id: string): void {
    this.pending.get(id)?.abort();
  }

  failed(id: string, payload: Record<string, unknown>): void {
    this.pending.get(id)?.fail(readError(payload));
  }

  /** Fails everything. */
  close(reason: string): void {
    this.closed = connectionClosed(reason);
    for (const p of [...this.pending.values()]) {
      p.fail(this.closed);
    }
  }

  private request(id: string, { operation, input, authToken, signal }: Request, window: number | undefined): void {
    if (this.closed !== undefined) {
      throw this.closed;
    }
    if (signal?.aborted) {
      throw cancelled(signal);
    }
    this.sender.send(
      encode("call.requested", id, {
        operationId: operation.startsWith("/") ? operation : `/${operation}`,
        input: orNull(input),
        ...(authToken === undefined ? {} : { auth_token: authToken }),
        ...(window === undefined ? {} : { window }),
      }),
    );
  }

  private abort(id: string): void {
    if (this.closed === undefined) {
      this.sender.send(encode("call.aborted", id, {}));
    }
  }

  private newID(): string {
    return this.prefix + (++this.last).toString(36);
  }
}

export function timedOut(ms: number): CallError {
  return new CallError("TIMEOUT", `request timed out after ${ms} ms`);
}

export function cancelled(signal: AbortSignal | undefined): CallError {
  return new CallError("INTERNAL", "request cancelled", { cause: signal?.reason });
}
