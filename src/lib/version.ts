import manifest from '../../package.json' with { type: 'json' };

/** This program's version; the bundle has it inlined. */
export const VERSION: string = manifest.version;
