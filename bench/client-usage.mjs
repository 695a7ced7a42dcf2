// Measures a command without its servers: wall seconds, CPU seconds and the peak memory of any of its processes.
import { spawnSync } from 'node:child_process';
import { environment } from './measure.mjs';

const MEASURE = `
import json, resource, subprocess, sys, time
began = time.monotonic()
code = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
seconds = time.monotonic() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({'code': code, 'seconds': seconds, 'cpu': used.ru_utime + used.ru_stime, 'peak': used.ru_maxrss / 1024}))
`;

/** `peak` is in megabytes. Throws with the command's output if it fails. */
export function clientUsage(argv, { cwd, env = {} }) {
  const { stdout, stderr } = spawnSync('python3', ['-c', MEASURE, ...argv], {
    cwd,
    env: { ...environment(cwd), ...env },
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const { code, ...used } = JSON.parse(stdout || '{"code":-1}');
  if (code !== 0) throw new Error(`${argv.join(' ')} failed (${code}): ${stderr.slice(-2_000)}`);
  return used;
}
