import type { Child, FC } from 'hono/jsx';
import { noticeClasses } from '../../../lifecycle/notice.ts';
import { noticeStates, noticeWords } from '../notice-words.ts';
import { ChoiceFilter, choicesOf, Filters, OrganisationFilter, SinceFilter, TextFilter } from '../parts/filters.tsx';
import { sinceChoices } from '../times.ts';
import { type Params, useView } from '../view.ts';
import { sentence } from '../words.ts';

/** Parameters that narrow the outbox, but for its tab. */
export const filterNames = ['channel', 'class', 'domain', 'orgId', 'since', 'until'] as const;

/** The filters of the page as parameters of another page. */
export const filtersOf = (query: URLSearchParams): Params =>
  Object.fromEntries(filterNames.map((name) => [name, query.get(name)]));

/** Filters of the outbox. A time that the choice does not offer shows as a chip. */
export const NotificationFilters: FC<{ tab: 'all' | 'dead'; channels: readonly string[] }> = ({ tab, channels }) => {
  const { query } = useView();
  const text = (name: string): string => query.get(name) ?? '';
  const known = sinceChoices.some(({ value }) => value === text('since'));
  const exact = known ? [] : ['since'];
  const chips: { name: string; text: Child }[] = [...exact, 'until'].flatMap((name) =>
    text(name) === '' ? [] : [{ name, text: text(name) }],
  );
  const kept = Object.fromEntries(chips.map(({ name }) => [name, text(name)]));
  return (
    <Filters to="notifications" chips={chips} keep={{ ...kept, ...(tab === 'dead' && { status: 'dead' }) }}>
      <TextFilter name="domain" label="Domain" />
      {tab === 'all' && (
        <ChoiceFilter
          name="status"
          label="Status"
          any="Any status"
          choices={Object.entries(noticeStates).map(([value, state]) => ({ value, text: sentence(state.text) }))}
        />
      )}
      <ChoiceFilter name="channel" label="Channel" any="Any channel" choices={choicesOf(channels)} />
      <ChoiceFilter
        name="class"
        label="About"
        any="About anything"
        choices={choicesOf(noticeClasses, (value) => sentence(noticeWords[value]))}
      />
      <SinceFilter />
      <OrganisationFilter />
    </Filters>
  );
};
