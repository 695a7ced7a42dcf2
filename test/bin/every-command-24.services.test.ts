// Protects: each command of the packed program works as text and in each of its formats, under Node 24.
import { describeEveryCommand } from './every-command.ts';

describeEveryCommand('24', ['']);
