import { createHmac } from 'node:crypto';

/**
 * `t=1764500000,v1=<hex>`: HMAC-SHA256, by the secret, of the time (Unix seconds), a dot, and the body. The time is in it
 * so that nobody can send an old body again much later.
 */
export function signatureOf(body: string, secret: string, seconds: number): string {
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
}
