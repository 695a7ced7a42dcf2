import { BatchctlError } from '../../errors.ts';
import { type JobRecord, type JobSpec, type StepSpec, takesPacks } from '../../model/job.ts';
import { isSafeRelativePath } from '../../model/output.ts';
import { pathsOf } from '../fetch/input-names.ts';

const known = new WeakMap<JobRecord, readonly string[]>();

/** The path of each input in the directory of a task that gets it in a pack: below what all inputs have in common. */
export function packPaths(record: JobRecord): readonly string[] {
  const paths = known.get(record) ?? pathsOf(record);
  known.set(record, paths);
  return paths;
}

type Named = { readonly name: string };

/** Throws `jobFile`, before a job is submitted, if its first step gets packed files under names that can't all be files. */
export function checkPackInputs(spec: JobSpec, inputs: readonly Named[]): void {
  const [first] = spec.steps;
  if (first === undefined || !takesPacks(spec, 0) || (first.input !== 'dir' && first.input !== 'list')) return;
  checkPackPaths(first.input, pathsOf({ spec, inputs }), inputs);
}

/** Throws `jobFile` for files of a pack that can't be in one directory, or not in a list with a path in each line. */
export function checkPackPaths(how: StepSpec['input'], paths: readonly string[], inputs: readonly Named[]): void {
  const files = new Map<string, number>();
  const directories = new Map<string, number>();
  const nameOf = (n: number | undefined): string => inputs[n ?? -1]?.name ?? '';
  const refuse = (n: number, what: string, hint: string): never => {
    throw new BatchctlError('jobFile', `the input ${JSON.stringify(nameOf(n))} ${what}`, { hint });
  };
  const together = (n: number, other: number | undefined, path: string): never =>
    refuse(
      n,
      `can't be in one directory with ${JSON.stringify(nameOf(other))}: both are ${path} there`,
      'use input: stdin, or two jobs',
    );
  for (const [n, path] of paths.entries()) {
    if (!isSafeRelativePath(path) || path.split('/').some((name) => Buffer.byteLength(name) > 255))
      refuse(n, 'has a name that no file can have', `use input: stdin, which needs no names, not input: ${how}`);
    if (how === 'list' && /[\n\r]/.test(path))
      refuse(n, 'has a line end in its name, but a list has a path in each line', 'use input: dir');
    const other = files.get(path) ?? directories.get(path);
    if (other !== undefined) together(n, other, path);
    files.set(path, n);
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const directory = path.slice(0, end);
      const file = files.get(directory);
      if (file !== undefined) together(n, file, directory);
      if (directories.has(directory)) break;
      directories.set(directory, n);
    }
  }
}
