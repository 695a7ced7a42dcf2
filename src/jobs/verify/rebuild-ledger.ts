import { isKind } from '../../errors.ts';
import { parseStored } from '../../lib/json.ts';
import { failedPrefix, taskOfFailed, taskOfTry, triesPrefix } from '../../model/keys.ts';
