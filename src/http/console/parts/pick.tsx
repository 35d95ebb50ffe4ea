import type { FC, PropsWithChildren } from 'hono/jsx';
import { href, samePage, useView } from '../view.ts';
import { ActionLink } from './forms.tsx';

/**
 * Above a table with tick boxes: how many are ticked, and the button that leads to the question about them. A GET form: what
 * was ticked is in the address of that question.
 */
export const PickBar: FC<PropsWithChildren<{ form: string; to: string }>> = ({ form, to, children }) => {
  const view = useView();
  return (
    <form id={form} method="get" action={href(view, to)} class="selection" data-selection={form}>
      <strong data-selected>Tick rows to choose some</strong>
      <a href={samePage(view, {})}>Clear</a>
      <span class="end">{children}</span>
    </form>
  );
};

/** What an act that the page before did has come to: one quiet line above the list. */
export const Done: FC<PropsWithChildren> = ({ children }) => (
  <section class="notice state-issued" role="status" aria-label="Done">
    <p>{children}</p>
  </section>
);

/** The way to a list's export from the head of its page, with the filters of the page. */
export const CsvButton: FC<{ to: string }> = ({ to }) => {
  const { cursor: _place, ...params } = Object.fromEntries(useView().query);
  return (
    <ActionLink to={to} params={params} icon="csv">
      CSV
    </ActionLink>
  );
};
