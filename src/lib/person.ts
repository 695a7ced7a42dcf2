import { hostname, userInfo } from 'node:os';

/** `user@host`, for what a person does. */
export function person(): string {
  return `${userInfo().username}@${hostname()}`;
}
