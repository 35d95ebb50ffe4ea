import type { Child, FC } from 'hono/jsx';
import { noticeClasses } from '../../../lifecycle/notice.ts';
import { noticeStates, noticeWords } from '../notice-words.ts';
import { Field, Filters, Select } from '../parts/forms.tsx';
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
  const { query, actor } = useView();
  const text = (name: string): string => query.get(name) ?? '';
  const known = sinceChoices.some(({ value }) => value === text('since'));
  const exact = known ? [] : ['since'];
  const chips: { name: string; text: Child }[] = [...exact, 'until'].flatMap((name) =>
    text(name) === '' ? [] : [{ name, text: text(name) }],
  );
  const kept = Object.fromEntries(chips.map(({ name }) => [name, text(name)]));
  return (
    <Filters to="notifications" chips={chips} keep={{ ...kept, ...(tab === 'dead' && { status: 'dead' }) }}>
      <Field bare id="f-domain" name="domain" label="Domain" value={text('domain')} placeholder="Domain" />
      {tab === 'all' && (
        <Select
          bare
          id="f-status"
          name="status"
          label="Status"
          any="Any status"
          value={text('status')}
          choices={Object.entries(noticeStates).map(([value, state]) => ({ value, text: sentence(state.text) }))}
        />
      )}
      <Select
        bare
        id="f-channel"
        name="channel"
        label="Channel"
        any="Any channel"
        value={text('channel')}
        choices={channels.map((value) => ({ value, text: value }))}
      />
      <Select
        bare
        id="f-class"
        name="class"
        label="About"
        any="About anything"
        value={text('class')}
        choices={noticeClasses.map((value) => ({ value, text: sentence(noticeWords[value]) }))}
      />
      <Select
        bare
        id="f-since"
        name="since"
        label="Since"
        any="Any time"
        value={text('since')}
        choices={sinceChoices}
      />
      {actor.orgId === null && (
        <Field bare id="f-org" name="orgId" label="Organisation" value={text('orgId')} placeholder="Organisation" />
      )}
    </Filters>
  );
};
