import { VERSION } from '../lib/version.ts';
import { COMMANDS } from './commands.ts';
import { columnsOf, overview } from './help.ts';
import { type Io, processIo } from './io.ts';

/** Runs one command and returns the exit code; nothing else exits. `--version` and `--help` load almost nothing. */
export async function main(argv: readonly string[], io: Io = processIo()): Promise<number> {
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    io.stdout.write(`${VERSION}\n`);
    return 0;
  }
  // The SDK warns on Node 20 each time; batchctl decides which versions it supports.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  if (argv.length === 0 || (argv.length === 1 && (argv[0] === '--help' || argv[0] === '-h'))) {
    io.stdout.write(overview(COMMANDS, columnsOf(io.stdout)));
    return 0;
  }
  const { dispatch } = await import('./dispatch.ts');
  if (argv[0] !== 'worker' || argv[1] !== '--held') return dispatch(argv, io);
  const { awaitWorkerCommand } = await import('./commands/worker.ts');
  const workerArgs = await awaitWorkerCommand();
  return workerArgs === null ? 0 : dispatch(workerArgs, io);
}
