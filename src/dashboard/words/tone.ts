/** How something is to be taken. */
export type Tone = 'good' | 'bad' | 'doubtful' | 'open';
