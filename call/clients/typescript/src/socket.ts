import { CallError } from "./error.js";

/** What is used of a WebSocket: that of browsers, of Node.js 22, or another with the same interface. */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open", listener: () => void): void;
  addEventListener(type: "error", listener: (event: { message?: string }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number; reason: string }) => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/** Close codes that a page may send; RFC 6455 reserves 1002 for its browser. */
export const closeNormal = 1000;
export const closeMalformed = 4002;

/** Resolves when the socket is open. The token is in no message of the errors. */
export function open(
  constructor: WebSocketConstructor,
  url: string,
  token: string | undefined,
  timeoutMs: number,
): Promise<WebSocketLike> {
  const protocols = ["alknet.call", ...(token === undefined ? [] : [`alknet.bearer.${token}`])];
  return new Promise((resolve, reject) => {
    let socket: WebSocketLike;
    try {
      socket = new constructor(url, protocols);
    } catch {
      reject(new CallError("INTERNAL", "the WebSocket refuses the URL, or the token has characters that no subprotocol has"));
      return;
    }
    socket.binaryType = "arraybuffer";
    const timer = setTimeout(() => {
      reject(new CallError("TIMEOUT", `no connection after ${timeoutMs} ms`));
      socket.close();
    }, timeoutMs);
    socket.addEventListener("open", () => {
      clearTimeout(timer);
      resolve(socket);
    });
    const failed = () => {
      clearTimeout(timer);
      reject(new CallError("INTERNAL", "the node cannot be reached, or refuses the token"));
    };
    socket.addEventListener("error", failed);
    socket.addEventListener("close", failed);
  });
}

/** How much may wait in the socket before subscriptions that are served here wait too. */
const highWater = 1 << 20;

/** Resolves when little waits in the socket, which has no event for that. */
export async function drained(socket: WebSocketLike, signal: AbortSignal): Promise<void> {
  for (let ms = 1; socket.bufferedAmount > highWater && !signal.aborted; ms = Math.min(2 * ms, 64)) {
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
}
