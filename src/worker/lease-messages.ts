import type { QueueModule } from '../ports/platform.ts';
import type { Receipt } from '../ports/task-queue.ts';

export interface LeaseThreadData {
  readonly queue: QueueModule;
  readonly leaseMs: number;
  /** One number, 1 while an extension is being chosen or is in flight. */
  readonly busy: SharedArrayBuffer;
}

export type ToThread =
  | { readonly kind: 'hold'; readonly receipts: readonly Receipt[]; readonly deadline: number }
  | { readonly kind: 'drop'; readonly receipts: readonly Receipt[] }
  | { readonly kind: 'settle'; readonly receipts: readonly Receipt[]; readonly id: number }
  | { readonly kind: 'close' };

export type FromThread =
  | { readonly kind: 'lost'; readonly receipts: readonly Receipt[] }
  | { readonly kind: 'settled'; readonly id: number }
  | { readonly kind: 'error'; readonly message: string };
