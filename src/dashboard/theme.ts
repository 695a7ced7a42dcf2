import { SCHEMES } from '../cli/report-html/theme.ts';

const { light, dark } = SCHEMES;

/** The report's colours: the system's preference unless a person chose a scheme; always light on paper. */
export const PAGE_THEME = `:root{color-scheme:light;${light}}
@media screen and (prefers-color-scheme:dark){:root:not([data-scheme=light]){color-scheme:dark;${dark}}}
@media screen{:root[data-scheme=dark]{color-scheme:dark;${dark}}}`;
