// Protects: each command of the packed program works as text, as JSON and in each of its formats, under Node 20.
import { describeEveryCommand } from './every-command.ts';

describeEveryCommand('20.19', ['', '--json']);
