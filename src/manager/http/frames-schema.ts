/** What `POST /commands` takes, as `VerbCall` has it. */
export const FRAMES_BODY = {
  type: 'object',
  required: ['name', 'input', 'flags'],
  additionalProperties: false,
  properties: {
    name: { type: 'string', maxLength: 40, description: 'the verb: retry, schedule add' },
    input: {
      type: 'object',
      description: "arguments and options by their camelCase names, as the verb's own path has them",
    },
    flags: {
      type: 'object',
      required: ['json', 'quiet', 'verbose', 'yes', 'dryRun', 'tz'],
      additionalProperties: false,
      properties: {
        json: { type: 'boolean' },
        quiet: { type: 'boolean' },
        verbose: { type: 'boolean' },
        yes: { type: 'boolean', description: 'destroy without asking' },
        dryRun: { type: 'boolean' },
        tz: { type: ['string', 'null'], maxLength: 64, description: "an IANA zone; null: the profile's" },
      },
    },
    terminal: {
      type: ['object', 'null'],
      description: "the caller's terminal; null: what is printed goes to a file or a pipe",
      required: ['columns', 'color'],
      additionalProperties: false,
      properties: {
        columns: { type: 'integer', minimum: 20, maximum: 1_000 },
        color: { type: 'boolean' },
        shows: {
          type: 'array',
          items: { enum: ['out', 'err'] },
          description: 'which of the two streams it shows; both unless said',
        },
      },
    },
    attachments: {
      type: ['object', 'null'],
      description: "what the verb's local files come to",
      required: ['jobFile', 'inputs'],
    },
  },
} as const;
