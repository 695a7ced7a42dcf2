import manifest from '../../package.json' with { type: 'json' };

/** This program's version, inlined in the bundle. */
export const VERSION: string = manifest.version;

/** The format of the directories that are stores: of their names and of the objects' files. */
export const STORE_FORMAT = 1;
