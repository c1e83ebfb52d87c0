import { CallError } from "./error.js";

interface Item {
  value: unknown;
  bytes: number;
}

/**
 * The answers of a subscription that its consumer has not taken: section 6.9.
 * It holds at most `limit` bytes of messages, or one message.
 */
export class Queue {
  private readonly limit: number;
  private readonly credit: (bytes: number) => void;
  private items: Item[] = [];
  private bytes = 0;
  private used = 0;
  private over = false;
  private error: CallError | undefined;
  private waiting: (() => void) | undefined;

  constructor(limit: number, credit: (bytes: number) => void) {
    this.limit = limit;
    this.credit = credit;
  }

  /** How much the other end may have on its way. */
  get window(): number {
    return Math.max(1, this.limit >> 2);
  }

  /** Reports false if there is no room. */
  add(value: unknown, bytes: number): boolean {
    if (this.over) {
      return true;
    }
    if (this.bytes > 0 && this.bytes + bytes > this.limit) {
      return false;
    }
    this.items.push({ value, bytes });
    this.bytes += bytes;
    this.wake();
    return true;
  }

  /** Ends the queue behind what it holds. Only the first end counts. */
  end(error?: CallError): void {
    if (!this.over) {
      this.over = true;
      this.error = error;
      this.wake();
    }
  }

  /** Drops what it holds. */
  discard(): void {
    this.items = [];
    this.bytes = 0;
  }

  async next(): Promise<IteratorResult<unknown, undefined>> {
    for (;;) {
      const item = this.items.shift();
      if (item !== undefined) {
        this.took(item.bytes);
        return { done: false, value: item.value };
      }
      if (this.over) {
        const error = this.error;
        this.error = undefined;
        if (error !== undefined) {
          throw error;
        }
        return { done: true, value: undefined };
      }
      await new Promise<void>((resolve) => (this.waiting = resolve));
    }
  }

  private took(bytes: number): void {
    this.bytes -= bytes;
    this.used += bytes;
    if (!this.over && this.used >= this.window / 2) {
      this.credit(this.used);
      this.used = 0;
    }
  }

  private wake(): void {
    this.waiting?.();
    this.waiting = undefined;
  }
}
