import manifest from '../../package.json' with { type: 'json' };

/** This program's version, inlined in the bundle. */
export const VERSION: string = manifest.version;
