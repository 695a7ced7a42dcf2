// Protects: each command of the packed program works as JSON and in each of its formats, under Node 22.
import { describeEveryCommand } from './every-command.ts';

describeEveryCommand('22', ['--json']);
