import { CallError, connectionClosed } from "./error.js";
import { Operations, type Handler, type JsonSchema, type OperationSpec, type OperationType, type StreamHandler } from "./operations.js";
import { cancelled, timedOut, type Subscription } from "./outbound.js";
import { Session, type CloseInfo } from "./session.js";
import { closeNormal, open, type WebSocketConstructor } from "./socket.js";

export interface ReconnectOptions {
  /** Before the first attempt; doubled by each that fails, and shortened by chance. Default: 1000. */
  minDelayMs?: number;
  /** Default: 60000. */
  maxDelayMs?: number;
}

/** An operation to offer from the start: a handler, or one with its description. */
export type OperationDefinition =
  | Handler
  | (OperationSpec & { readonly type?: "query" | "mutation"; readonly handle: Handler })
  | (OperationSpec & { readonly stream: StreamHandler });

export interface ConnectOptions {
  /** Shown in the upgrade, as a subprotocol. A function is asked at each attempt. */
  token?: string | (() => string | Promise<string>);
  /** What the other end may call. */
  operations?: { readonly [name: string]: OperationDefinition };
  /** Default: the global one, which browsers and Node.js 22 have. */
  WebSocket?: WebSocketConstructor;
  /** For opening the connection, and for calls in both directions. Default: 30000. */
  timeoutMs?: number;
  /** How much of a subscription waits here for its consumer; beyond it the subscription fails. Default: 4 MiB. */
  queueBytes?: number;
  /** How many calls of the other end run at a time. Default: 256. */
  maxInFlight?: number;
  /** Open a new connection when one is lost. Nothing is repeated: calls in flight fail, later ones wait. */
  reconnect?: boolean | ReconnectOptions;
}

export interface SubscribeOptions {
  signal?: AbortSignal;
  /** Decides upon the rights of this request, in the place of the connection's token. */
  authToken?: string;
}

export interface CallOptions extends SubscribeOptions {
  timeoutMs?: number;
}

export interface BatchCall {
  operation: string;
  input?: unknown;
}

export type BatchResult = { readonly ok: true; readonly output: unknown } | { readonly ok: false; readonly error: CallError };

export interface Listed {
  name: string;
  namespace: string;
  op_type: OperationType;
  description?: string;
}

export interface Described extends Listed {
  visibility: "external" | "internal";
  input_schema: JsonSchema;
  output_schema: JsonSchema;
  error_schemas: { code: string; description: string; schema: JsonSchema; http_status: number | null }[];
  access_control: {
    required_scopes: string[];
    required_scopes_any: string[] | null;
    resource_type: string | null;
    resource_action: string | null;
  };
  resource_id_path?: string;
}

/** Opens a connection to a node: `connect("wss://node.example/alknet/call", { token })`. */
export async function connect(url: string | URL, options: ConnectOptions = {}): Promise<Client> {
  const client = new Client(String(url), options);
  await client.dial();
  return client;
}

/** How many calls of a batch are in flight. */
const batchWidth = 16;

/** A connection on which both ends may call. Made by {@link connect}. */
export class Client {
  /** Resolves when the connection has ended for good; with reconnect, after close() only. */
  readonly closed: Promise<CloseInfo>;

  private readonly url: string;
  private readonly options: ConnectOptions;
  private readonly operations = new Operations();
  private readonly timeoutMs: number;
  private readonly over = new AbortController();
  private readonly resolveClosed: (info: CloseInfo) => void;
  private session: Session | undefined;
  private waiters = new Set<(session: Session | CallError) => void>();

  /** @internal */
  constructor(url: string, options: ConnectOptions) {
    this.url = url;
    this.options = options;
    this.timeoutMs = options.timeoutMs ?? 30_000;
    let resolveClosed!: (info: CloseInfo) => void;
    this.closed = new Promise((resolve) => (resolveClosed = resolve));
    this.resolveClosed = resolveClosed;
    for (const [name, definition] of Object.entries(options.operations ?? {})) {
      if (typeof definition === "function") {
        this.handle(name, definition);
      } else if ("stream" in definition) {
        this.handleStream(name, definition.stream, definition);
      } else {
        this.handle(name, definition.handle, definition);
      }
    }
  }

  /** Calls a query or mutation. Fails with a {@link CallError}; when signal is aborted, the call is. */
  async call<Output = unknown>(operation: string, input?: unknown, options: CallOptions = {}): Promise<Output> {
    const timeoutMs = options.timeoutMs ?? this.timeoutMs;
    const began = Date.now();
    const session = this.session ?? (await this.connected(options.signal, timeoutMs));
    const left = Math.max(0, timeoutMs - (Date.now() - began));
    const request = { operation, input, authToken: options.authToken, signal: options.signal };
    return session.outbound.call(request, left) as Promise<Output>;
  }

  /**
   * Each loop over the result is a subscription of its own, which begins with
   * the loop. Leaving the loop aborts it. A loop that is too slow fails with a
   * retryable INTERNAL, after what has been queued.
   */
  subscribe<Output = unknown>(operation: string, input?: unknown, options: SubscribeOptions = {}): AsyncIterable<Output> {
    return { [Symbol.asyncIterator]: () => this.subscription(operation, input, options) as AsyncIterator<Output, undefined> };
  }

  /** Calls several operations, a few at a time. The results are in the order of the calls. */
  async batch(calls: readonly BatchCall[], options: CallOptions = {}): Promise<BatchResult[]> {
    const results: BatchResult[] = new Array(calls.length);
    let next = 0;
    const worker = async () => {
      for (let i = next++; i < calls.length; i = next++) {
        const { operation, input } = calls[i]!;
        try {
          results[i] = { ok: true, output: await this.call(operation, input, options) };
        } catch (error) {
          results[i] = { ok: false, error: error as CallError };
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(batchWidth, calls.length) }, worker));
    return results;
  }

  /** Offers a query or mutation to the other end. Throws if the name is taken or ill-formed. */
  handle(operation: string, handler: Handler, spec: OperationSpec & { readonly type?: "query" | "mutation" } = {}): void {
    this.operations.add(operation, spec.type ?? "query", handler, spec);
  }

  /** Offers a subscription: what the async generator yields. It returns when signal is aborted. */
  handleStream(operation: string, handler: StreamHandler, spec: OperationSpec = {}): void {
    this.operations.add(operation, "subscription", handler, spec);
  }

  /** The other end's operations that this one may call. */
  async list(options: CallOptions = {}): Promise<Listed[]> {
    const all: Listed[] = [];
    for (let after: string | undefined; ; ) {
      const input = after === undefined ? { limit: 500 } : { limit: 500, after };
      const page = await this.call<{ operations?: Listed[]; next?: unknown }>("services/list", input, options);
      all.push(...(page?.operations ?? []));
      if (typeof page?.next !== "string" || page.next === after) {
        return all;
      }
      after = page.next;
    }
  }

  /** One operation of the other end, with its schemas. */
  schema(operation: string, options: CallOptions = {}): Promise<Described> {
    return this.call<Described>("services/schema", { name: operation }, options);
  }

  /** Ends the connection. Calls in flight fail, in both directions. */
  close(): Promise<CloseInfo> {
    if (!this.over.signal.aborted) {
      this.over.abort();
      this.settle(connectionClosed(""));
      const session = this.session;
      this.session = undefined;
      session?.close(closeNormal, "");
      if (session === undefined) {
        this.resolveClosed({ code: closeNormal, reason: "" });
      }
    }
    return this.closed;
  }

  /** @internal */
  async dial(): Promise<void> {
    const { token } = this.options;
    const constructor = this.options.WebSocket ?? globalWebSocket();
    const socket = await open(constructor, this.url, typeof token === "function" ? await token() : token, this.timeoutMs);
    if (this.over.signal.aborted) {
      socket.close(closeNormal);
      return;
    }
    const session = new Session(socket, {
      operations: this.operations,
      timeoutMs: this.timeoutMs,
      maxInFlight: this.options.maxInFlight ?? 256,
      closed: (info) => this.lost(session, info),
    });
    this.session = session;
    this.settle(session);
  }

  private subscription(operation: string, input: unknown, options: SubscribeOptions): AsyncIterator<unknown, undefined> {
    const left = new AbortController();
    const over = { done: true, value: undefined } as const;
    let begun: Promise<Subscription> | undefined;
    const begin = async () => {
      const { signal } = options;
      const either = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
      const session = this.session ?? (await this.connected(either, undefined));
      return session.outbound.subscribe({ operation, input, authToken: options.authToken, signal }, this.options.queueBytes ?? 4 << 20);
    };
    return {
      next: async () => {
        if (left.signal.aborted) {
          return over;
        }
        begun ??= begin();
        try {
          return await (await begun).next();
        } catch (error) {
          if (left.signal.aborted) {
            return over;
          }
          left.abort();
          throw error;
        }
      },
      return: async () => {
        left.abort();
        await begun?.then((subscription) => subscription.leave(), () => undefined);
        return over;
      },
    };
  }

  private lost(session: Session, info: CloseInfo): void {
    if (this.session === session) {
      this.session = undefined;
    }
    if (this.over.signal.aborted) {
      this.resolveClosed(info);
    } else if (this.options.reconnect) {
      void this.redial(this.options.reconnect === true ? {} : this.options.reconnect);
    } else {
      this.over.abort();
      this.settle(connectionClosed(info.reason));
      this.resolveClosed(info);
    }
  }

  private async redial({ minDelayMs = 1000, maxDelayMs = 60_000 }: ReconnectOptions): Promise<void> {
    for (let delay = minDelayMs; !this.over.signal.aborted; delay = Math.min(2 * delay, maxDelayMs)) {
      await this.pause(delay * (0.5 + Math.random() / 2));
      try {
        return await this.dial();
      } catch {
        // the next attempt
      }
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.over.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      }, { once: true });
    });
  }

  /** Waits for the next connection. */
  private connected(signal: AbortSignal | undefined, timeoutMs: number | undefined): Promise<Session> {
    return new Promise((resolve, reject) => {
      if (this.over.signal.aborted) {
        reject(connectionClosed(""));
        return;
      }
      const done = (result: Session | CallError) => {
        this.waiters.delete(done);
        clearTimeout(timer);
        signal?.removeEventListener("abort", cancel);
        result instanceof Session ? resolve(result) : reject(result);
      };
      const cancel = () => done(cancelled(signal));
      const timer = timeoutMs === undefined ? undefined : setTimeout(() => done(timedOut(timeoutMs)), timeoutMs);
      this.waiters.add(done);
      signal?.addEventListener("abort", cancel);
      if (signal?.aborted) {
        cancel();
      }
    });
  }

  private settle(result: Session | CallError): void {
    for (const waiter of [...this.waiters]) {
      waiter(result);
    }
  }
}

function globalWebSocket(): WebSocketConstructor {
  const constructor = (globalThis as { WebSocket?: unknown }).WebSocket;
  if (typeof constructor !== "function") {
    throw new TypeError("there is no global WebSocket here: pass one in the options, or use Node.js 22 or newer");
  }
  return constructor as WebSocketConstructor;
}
