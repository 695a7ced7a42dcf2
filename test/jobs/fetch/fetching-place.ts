import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FetchOptions, fetchOutputs } from '../../../src/jobs/fetch/fetch.ts';
import { parseTarget } from '../../../src/jobs/fetch/target.ts';
import type { FetchAnswer } from '../../../src/model/answers/data.ts';
import type { JobView } from '../../../src/model/view.ts';
import { openPlace, type Place, publishManifest, publishSmall, putJob, STEPS } from '../published-job.ts';

/** Text is a small output, bytes are a large one, a map has the files of an output; null: none is published. */
type Output = string | Uint8Array | Readonly<Record<string, string | Uint8Array>> | null;

export interface FetchingPlace extends Place {
  /** The text of stdout. */
  readonly stdout: string;
  path(...names: readonly string[]): string;
  /** The text of a file in the directory. */
  read(name: string): string;
  /** Puts a job, and publishes the outputs of its step `price`, by the names of their inputs. */
  publish(outputs: Readonly<Record<string, Output>>, options?: Parameters<typeof putJob>[2]): Promise<JobView>;
  /** Fetches a job's outputs to a target, as `-o` names it. */
  fetch(view: JobView, to: string, more?: Partial<FetchOptions>): Promise<FetchAnswer>;
}

/** A job whose step `price` publishes many files per task. */
export const MANY_FILES = STEPS.replace('run: [cat]', 'run: [cat], output: files');

export async function openFetchingPlace(): Promise<FetchingPlace> {
  const place = await openPlace();
  const { directory, platform } = place;
  let stdout = '';
  const write = async (bytes: Uint8Array): Promise<void> => {
    stdout += Buffer.from(bytes).toString();
  };
  return {
    ...place,
    get stdout() {
      return stdout;
    },
    path: (...names) => join(directory, ...names),
    read: (name) => readFileSync(join(directory, name), 'utf8'),
    publish: async (outputs, options) => {
      const inputs = Object.keys(outputs).map((name) => ({ name }));
      const view = await putJob(platform, inputs, options);
      for (const [n, output] of Object.values(outputs).entries()) {
        if (typeof output === 'string') await publishSmall({ platform, view }, 'price', n, output);
        else if (output instanceof Uint8Array) await publishManifest({ platform, view }, 'price', n, { '': output });
        else if (output !== null) await publishManifest({ platform, view }, 'price', n, output);
      }
      return view;
    },
    fetch: (view, to, more = {}) =>
      fetchOutputs(platform, view, { target: parseTarget(to, { cwd: directory, write }), header: null, ...more }),
  };
}
