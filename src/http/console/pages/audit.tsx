import type { Child, FC } from 'hono/jsx';
import type { AuditRow } from '../../../db/audit-reads.ts';
import { auditActions } from '../../../lifecycle/audit.ts';
import { count, counted, shortId } from '../format.ts';
import { ChoiceFilter, choicesOf, Filters, OrganisationFilter, SinceFilter, TextFilter } from '../parts/filters.tsx';
import { ActionLink } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Empty, Panel, Verdict } from '../parts/panel.tsx';
import { CsvButton } from '../parts/pick.tsx';
import { DataTable, Pager, shownOf } from '../parts/table.tsx';
import { Link, Quoted, Time } from '../parts/text.tsx';
import { sinceChoices } from '../times.ts';
import { useView } from '../view.ts';
import { actionWords, auditColumns } from './audit-cells.tsx';

/** How far the log is signed, and whether what came after fits; null for those who see one organisation's rows only. */
export interface ChainState {
  readonly rows: number;
  /** Of the last checkpoint; null before the first. */
  readonly signed: { readonly seq: number; readonly at: number } | null;
  /** Rows after the checkpoint that were checked just now; null where they are too many for a page. */
  readonly checked: number | null;
  /** What does not fit; null where all does. */
  readonly problem: string | null;
}

interface AuditProps {
  readonly rows: readonly AuditRow[];
  readonly next: string | null;
  readonly size: number;
  readonly total: number;
  readonly most: number;
  readonly chain: ChainState | null;
}

const filterNames = ['actor', 'action', 'objectType', 'objectId', 'orgId', 'requestId', 'since', 'until'] as const;

const Choices: FC = () => {
  const { query } = useView();
  const text = (name: string): string => query.get(name) ?? '';
  const known = text('since') === '' || sinceChoices.some(({ value }) => value === text('since'));
  const chips: { name: string; text: Child }[] = [
    'objectId',
    'requestId',
    ...(known ? [] : ['since']),
    'until',
  ].flatMap((name) => (text(name) === '' ? [] : [{ name, text: shortId(text(name)) }]));
  return (
    <Filters to="audit" chips={chips} keep={Object.fromEntries(chips.map(({ name }) => [name, text(name)]))}>
      <TextFilter name="actor" label="Who" />
      <ChoiceFilter name="action" label="Action" any="Any action" choices={choicesOf(auditActions, actionWords)} />
      <TextFilter name="objectType" label="Kind of object" placeholder="Object, as incident" />
      {known && <SinceFilter />}
      <OrganisationFilter />
    </Filters>
  );
};

const Chain: FC<{ of: ChainState }> = ({ of: { rows, signed, checked, problem } }) => {
  if (problem !== null) return null;
  if (rows === 0) return <>Nothing was changed yet.</>;
  if (signed === null)
    return (
      <>
        {counted(rows, 'row')} in one chain, not signed yet: the first checkpoint comes within a minute of a signing
        secret.
      </>
    );
  return (
    <>
      {counted(rows, 'row')} in one chain. Signed up to row {count(signed.seq)}, <Time at={signed.at} />
      {checked === null
        ? ', many rows since.'
        : checked === 0
          ? ', none since.'
          : `; the ${counted(checked, 'row')} since fit.`}
    </>
  );
};

const Nothing: FC<{ filtered: boolean }> = ({ filtered }) =>
  filtered ? (
    <Empty title="No change matches these filters">
      <Link to="audit">Remove the filters</Link> to see all of them.
    </Empty>
  ) : (
    <Empty title="Nothing was changed yet">
      Whatever people and policies change stands here, with who, when and why.
    </Empty>
  );

/** The log of who changed what. */
export const AuditPage: FC<AuditProps> = ({ rows, next, size, total, most, chain }) => {
  const { query, actor } = useView();
  const filtered = filterNames.some((name) => (query.get(name) ?? '') !== '');
  return (
    <>
      <Head
        title="Audit"
        about={chain === null ? 'Who changed what, of your organisation.' : <Chain of={chain} />}
        actions={
          <>
            {actor.orgId === null && (
              <ActionLink to="audit-check" icon="check">
                Check the whole chain
              </ActionLink>
            )}
            <ActionLink to="audit.ndjson" params={Object.fromEntries(query)} icon="csv">
              NDJSON
            </ActionLink>
            <CsvButton to="audit.csv" />
          </>
        }
      />
      {chain?.problem !== null && chain !== null && (
        <Verdict tone="tls_error" icon="s-breach" title="The audit log does not fit together">
          <Quoted text={chain.problem} max={300} /> Run <code>notafter audit verify</code>, and keep a copy of the
          database.
        </Verdict>
      )}
      <Panel
        id="list"
        title="Changes"
        quietTitle
        live="audit"
        about={shownOf(count(rows.length), total >= most ? `${count(most - 1)}+` : count(total), 'newest first')}
        {...(rows.length > 0 && {
          foot: (
            <Pager next={next} size={size}>
              Rows are only ever added; each holds the hash of the one before it.
            </Pager>
          ),
        })}
      >
        <Choices />
        <DataTable
          caption="Changes"
          columns={auditColumns}
          rows={rows}
          rowId={({ seq }) => String(seq)}
          empty={<Nothing filtered={filtered} />}
        />
      </Panel>
    </>
  );
};
