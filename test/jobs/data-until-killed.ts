import { splitGlobalFlags } from '../../src/cli/global-flags.ts';
import { loadConfig } from '../../src/config.ts';
import { fetchOutputs } from '../../src/jobs/fetch/fetch.ts';
import { parseTarget } from '../../src/jobs/fetch/target.ts';
import { mustReadView } from '../../src/jobs/journal.ts';
import { upload } from '../../src/jobs/upload/upload.ts';
import { openPlatform } from '../../src/platform.ts';

/** Uploads `in`, or fetches a job's outputs, in a directory; dies by SIGKILL once so many bytes are through. */
const [verb = '', directory = '', bytes = '', job = '', output = ''] = process.argv.slice(2);
const { flags } = splitGlobalFlags(['--profile', 'local']);
const config = await loadConfig({ cwd: directory, env: { HOME: directory }, flags });
const platform = await openPlatform(config, { role: 'cli', who: 'me@here' });
const dieAt = (done: number): void => {
  if (done >= Number(bytes)) process.kill(process.pid, 'SIGKILL');
};
if (verb === 'upload') {
  await upload(platform.store, { paths: ['in'], cwd: directory, onProgress: ({ done }) => dieAt(done) });
} else {
  await fetchOutputs(platform, await mustReadView(platform.store, job), {
    target: parseTarget(output, { cwd: directory, write: async () => {} }),
    header: null,
    onProgress: (progress) => dieAt(progress.bytes),
  });
}
