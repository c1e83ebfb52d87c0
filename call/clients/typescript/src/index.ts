/**
 * Calls in both directions between a page, or another JavaScript program, and a
 * node, by the protocol alknet/call on WebSocket.
 */
export { connect, Client } from "./client.js";
export type {
  BatchCall,
  BatchResult,
  CallOptions,
  ConnectOptions,
  Described,
  Listed,
  OperationDefinition,
  ReconnectOptions,
  SubscribeOptions,
} from "./client.js";
export { CallError } from "./error.js";
export type { CallErrorOptions, Code, ProtocolCode } from "./error.js";
export type { CallContext, ErrorSpec, Handler, JsonSchema, OperationSpec, OperationType, StreamHandler } from "./operations.js";
export type { CloseInfo } from "./session.js";
export type { WebSocketConstructor, WebSocketLike } from "./socket.js";
