import type { FC } from 'hono/jsx';
import { count, counted } from '../format.ts';
import { Field, Select, Submit } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Time } from '../parts/text.tsx';
import { href, useView } from '../view.ts';
import { AttentionPanel } from './attention.tsx';
import { DuePanel, ExpiryPanel, LatestPanel, type OverviewProps, StatusPanel } from './overview-panels.tsx';
import { PipePanel } from './pipe-panel.tsx';

/** The verdict as a title: `6 things need attention`. */
export const verdictOf = (n: number): string =>
  n === 0 ? 'Nothing needs attention' : `${count(n)} ${n === 1 ? 'thing needs' : 'things need'} attention`;

const Totals: FC<OverviewProps> = ({ overview, regions }) => {
  const { attention, domains, sources } = overview;
  const times = attention.flatMap(({ since }) => since ?? []);
  const worst = attention[0]?.since ?? null;
  const oldest = times.length === 0 ? null : Math.min(...times);
  return (
    <>
      {worst !== null && (
        <>
          The worst one since <Time at={worst} as="since" />
          {oldest !== null && oldest !== worst && (
            <>
              ; the oldest since <Time at={oldest} as="since" />
            </>
          )}
          .{' '}
        </>
      )}
      {counted(domains.total, 'domain')}
      {sources !== null && `, ${counted(sources, 'source')}`}
      {regions !== null && `, ${counted(regions.filter(({ region }) => region !== 'unassigned').length, 'region')}`}.
    </>
  );
};

const OrgChoice: FC<Pick<OverviewProps, 'orgs' | 'orgId'>> = ({ orgs, orgId }) => {
  const view = useView();
  if (view.actor.orgId !== null || (orgs !== null && orgs.length < 2)) return null;
  const shared = { bare: true, id: 'org', name: 'org', label: 'Organisation', value: orgId } as const;
  return (
    <form class="actions" method="get" action={href(view, '')} data-drop-empty>
      {orgs === null ? (
        <Field {...shared} placeholder="All organisations" />
      ) : (
        <Select {...shared} any="All organisations" choices={orgs.map((org) => ({ value: org, text: org }))} />
      )}
      <Submit>Apply</Submit>
    </form>
  );
};

/** The front page: what needs attention comes first. */
export const OverviewPage: FC<OverviewProps> = (props) => {
  const { attention, well } = props.overview;
  return (
    <>
      <Head
        title={verdictOf(attention.length)}
        about={<Totals {...props} />}
        actions={<OrgChoice orgs={props.orgs} orgId={props.orgId} />}
      />
      <AttentionPanel items={attention} well={well} />
      <div class="grid grid-3">
        <StatusPanel {...props} />
        <ExpiryPanel {...props} />
        <PipePanel {...props} />
      </div>
      <div class="grid grid-2">
        <DuePanel {...props} />
        <LatestPanel {...props} />
      </div>
    </>
  );
};
