import { hostname } from 'node:os';
import type { DeliveryStatus } from '../../model/answers/status.ts';

export function deliveryLine({ to, host, state, delivered, failed }: DeliveryStatus): string {
  const where = host === null || host === hostname() ? to : `${to} on ${host}`;
  switch (state) {
    case 'waiting':
      return `to be delivered to ${where}`;
    case 'none':
      return `not delivered to ${where}, as the job did not succeed`;
    case 'due':
      return `not delivered yet to ${where}`;
    case 'failing':
    case 'givenUp':
      return `NOT delivered to ${where}: ${failed?.message ?? ''}`;
    case 'delivered':
      return `delivered to ${where} at ${delivered?.when ?? ''}`;
    default:
      return state satisfies never;
  }
}
