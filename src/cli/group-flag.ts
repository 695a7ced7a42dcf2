import { NAME } from '../model/keys.ts';
import { type OptionSpec, parsed } from './command.ts';

/** `--group`; its value must be a valid group name. */
export function groupFlag(text: string): OptionSpec<string> & { readonly parse: (text: string) => string } {
  return parsed(text, (name) => {
    if (NAME.test(name)) return name;
    throw new RangeError(`expected a name like default or gpu-large, found "${name}"`);
  });
}
