import { expect } from 'chai';
import type { Ended } from './workspace.ts';

/** Fails with the command's stderr unless it exited with this code. Returns its result. */
export function expectExit<E extends Pick<Ended, 'code' | 'stderr'>>(ended: E, code: number | null = 0): E {
  expect(ended.code, ended.stderr).to.equal(code);
  return ended;
}

/** Fails unless SIGKILL ended the process, as at a kill point. Returns its result. */
export function expectKilled<E extends Pick<Ended, 'signal' | 'stderr'>>(ended: E): E {
  expect(ended.signal, ended.stderr).to.equal('SIGKILL');
  return ended;
}

/** The JSON document that a command printed, which must have exited with this code. */
export const jsonOf = (ended: Ended, code = 0) => JSON.parse(expectExit(ended, code).stdout);

/** The JSON documents that a command printed, one a line. */
export const jsonLinesOf = (ended: Ended, code = 0) =>
  expectExit(ended, code)
    .stdout.split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

interface PrintedError {
  readonly kind: string;
  readonly message: string;
  readonly hint: string;
}

/** The error that a failed command with `--json` printed last. */
export const errorOf = ({ stderr }: Ended): PrintedError => JSON.parse(stderr.trim().split('\n').at(-1) ?? '').error;
