// Who may import whom (docs/layout.md). Run by `npm run check` on src/, where the rules begin. In test/ and bench/ knip finds
// imports that lead nowhere.

/** Each room of src/ and the rooms it may import, besides itself, `errors.ts` and `lib/`. */
const ROOMS = {
  cli: ['verbs', 'jobs', 'worker', 'manager', 'infra', 'platform', 'config', 'model', 'ports'],
  platform: ['config', 'adapters', 'ports', 'model'],
  infra: ['config', 'model', 'adapters/aws'],
  manager: ['verbs', 'jobs', 'model', 'ports'],
  verbs: ['config', 'jobs', 'model', 'ports'],
  // It runs in a browser: of the command line only how things read, and the colours and signs of the report.
  dashboard: ['model', 'cli/format', 'cli/report-html', 'jobs/spec/format-job-file'],
  worker: ['jobs', 'model', 'ports'],
  jobs: ['model', 'ports'],
  adapters: ['ports', 'model'],
  config: ['model'],
  ports: ['model'],
  lib: [],
};

const room = (names) => `^src/(${names.join('|')})(/|[.]ts$)`;

const rooms = Object.entries(ROOMS).map(([name, others]) => ({
  name: `${name}-imports`,
  comment: `${name} may import ${[...others, ...(name === 'lib' ? [] : ['lib']), 'errors'].join(', ')}`,
  severity: 'error',
  from: { path: room([name]) },
  to: { path: '^src/', pathNot: room([name, ...others, 'lib', 'errors']) },
}));

/** Packages that belong to some rooms only. */
const packagesOf = (name, packages, paths) => ({
  name,
  severity: 'error',
  from: { path: '^src/', pathNot: paths },
  to: { path: `node_modules/(${packages.join('|')})(/|$)` },
});

module.exports = {
  forbidden: [
    ...rooms,
    {
      name: 'model-is-pure',
      comment:
        'model imports nothing but errors, lib/units (amounts as text), lib/json (guards), big.js (exact decimals), croner (cron patterns) and valibot (schemas)',
      severity: 'error',
      from: { path: '^src/model/' },
      to: {
        pathNot: '^src/(model/|errors[.]ts$|lib/(units|json)[.]ts$)|node_modules/((@types/)?big[.]js|croner|valibot)/',
      },
    },
    {
      name: 'errors-import-nothing',
      severity: 'error',
      from: { path: '^src/errors[.]ts$' },
      to: { path: '.' },
    },
    {
      name: 'adapter-families-apart',
      comment: 'an adapter never imports another family: local, aws, sql, store',
      severity: 'error',
      from: { path: '^src/adapters/([^/]+)/' },
      to: { path: '^src/adapters/', pathNot: '^src/adapters/$1/' },
    },
    packagesOf('aws-sdk-only-in-aws', ['@aws-sdk', '@smithy'], '^src/(adapters/aws|infra)/'),
    packagesOf('terminal-only-in-cli', ['commander', 'ora', 'cli-table3'], '^src/cli/'),
    packagesOf('page-only-in-dashboard', ['preact', '@preact', 'uplot'], '^src/dashboard/'),
    packagesOf('databases-only-in-adapters', ['better-sqlite3', 'kysely', 'pg', 'mysql2'], '^src/adapters/'),
    {
      name: 'src-without-tests',
      severity: 'error',
      from: { path: '^(src|bin)/' },
      to: { path: '^(test|bench|examples)/' },
    },
    {
      name: 'no-cycles',
      comment: 'types apart, no file imports itself by a detour, not even lazily',
      severity: 'error',
      from: { path: '^src/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|coverage)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
