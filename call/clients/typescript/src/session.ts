import { Inbound } from "./inbound.js";
import type { Operations } from "./operations.js";
import { Outbound } from "./outbound.js";
import { closeMalformed, drained, type WebSocketLike } from "./socket.js";
import { decode, MalformedMessage } from "./wire.js";

export interface SessionOptions {
  operations: Operations;
  timeoutMs: number;
  maxInFlight: number;
  closed: (info: CloseInfo) => void;
}

export interface CloseInfo {
  /** RFC 6455, section 7.4; 1006 if the connection was lost. */
  readonly code: number;
  readonly reason: string;
}

/** One open WebSocket, in both directions. */
export class Session {
  readonly outbound: Outbound;
  private readonly inbound: Inbound;
  private readonly socket: WebSocketLike;
  private ended = false;

  constructor(socket: WebSocketLike, options: SessionOptions) {
    this.socket = socket;
    const send = (message: Uint8Array<ArrayBuffer>) => {
      if (!this.ended) {
        socket.send(message);
      }
    };
    this.outbound = new Outbound({ send });
    this.inbound = new Inbound(
      { send, drained: (signal) => drained(socket, signal) },
      options.operations,
      options.maxInFlight,
      options.timeoutMs,
    );
    socket.addEventListener("message", (event) => this.take(event.data));
    socket.addEventListener("close", ({ code, reason }) => {
      this.end(reason);
      options.closed({ code, reason });
    });
  }

  /** Ends the connection: requests in flight fail on both ends. */
  close(code: number, reason: string): void {
    this.end(reason);
    this.socket.close(code, reason);
  }

  private take(data: unknown): void {
    if (this.ended) {
      return;
    }
    try {
      const { type, id, payload } = decode(data);
      switch (type) {
        case "call.requested":
          return this.inbound.requested(id, payload);
        case "call.credit":
          return this.inbound.credited(id, payload);
        case "call.aborted":
          if (!this.inbound.aborted(id)) {
            this.outbound.aborted(id);
          }
          return;
        case "call.responded":
          return this.outbound.responded(id, payload, (data as ArrayBuffer).byteLength);
        case "call.completed":
          return this.outbound.completed(id);
        case "call.error":
          return this.outbound.failed(id, payload);
      }
    } catch (error) {
      if (!(error instanceof MalformedMessage)) {
        throw error;
      }
      this.close(closeMalformed, `malformed message: ${error.message}`);
    }
  }

  private end(reason: string): void {
    if (!this.ended) {
      this.ended = true;
      this.inbound.close();
      this.outbound.close(reason);
    }
  }
}
