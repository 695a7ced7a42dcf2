/** Long text as it was written. It scrolls, and who has no mouse must get there. */
export function LogBox({ name, text }: { readonly name: string; readonly text: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
    <section class="log" tabIndex={0} aria-label={name}>
      <pre>{text}</pre>
    </section>
  );
}
