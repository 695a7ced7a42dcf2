/** `$0.0042`, `$12.30`, `$1,204`: as many digits as say something. */
export function formatUsd(usd: number): string {
  if (usd > 0 && usd < 0.1) return `$${usd.toFixed(4)}`;
  if (usd < 1_000) return `$${usd.toFixed(2)}`;
  return `$${Math.round(usd).toLocaleString('en-US')}`;
}
