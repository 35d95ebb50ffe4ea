import type { Child, FC } from 'hono/jsx';
import { samePage, useView } from '../view.ts';

export interface Column<Row> {
  /** Head of the column, and its label where rows become records on a phone. `Actions` is not shown. */
  readonly name: string;
  readonly cell: (row: Row) => Child;
  /** `id`: what names the row; `num`: a number; `act`: buttons; `state`: first on a phone, without label. */
  readonly kind?: 'id' | 'num' | 'act' | 'state' | 'err';
  /** Value of `sort` that orders by this column; only where an index serves it. */
  readonly sort?: string;
  readonly width?: 's' | 'm' | 'l';
}

/** The tick boxes of a table; they belong to the form with this id, which stands around or beside the table. */
interface Ticks<Row> {
  readonly form: string;
  /** Name of the field; `id` unless said otherwise. */
  readonly name?: string;
  readonly value: (row: Row) => string;
  /** `Select event 019a…`. */
  readonly label: (row: Row) => string;
}

interface TableProps<Row> {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** Names a row over time, so that the script knows a new one. */
  readonly rowId?: (row: Row) => string;
  readonly rowClass?: (row: Row) => string | undefined;
  /** A row below the row, over its whole width; null for none. */
  readonly detail?: (row: Row) => Child;
  readonly ticks?: Ticks<Row> | undefined;
  /** The column the rows are ordered by, as `-failed_at` for descending. */
  readonly sorted?: string | undefined;
  /** `tight` for little room, `flat` for no ground under the head. */
  readonly look?: 'tight' | 'flat' | 'tight flat';
  /** Rows stay rows on a phone: for two or three narrow columns. */
  readonly small?: boolean;
  /** What stands in the place of the table when there are no rows. */
  readonly empty?: Child;
}

const classOf = ({ kind, width }: Column<never>): string | undefined => {
  const names = [kind, width === undefined ? undefined : `w-${width}`].filter((name) => name !== undefined);
  return names.length === 0 ? undefined : names.join(' ');
};

const Head: FC<{ column: Column<never>; sorted: string | undefined }> = ({ column, sorted }) => {
  const view = useView();
  const { name, kind, sort } = column;
  const down = sorted === `-${sort}`;
  const current = sort !== undefined && (sorted === sort || down);
  return (
    <th
      role="columnheader"
      scope="col"
      class={classOf(column)}
      aria-sort={current ? (down ? 'descending' : 'ascending') : undefined}
    >
      {sort === undefined ? (
        kind === 'act' && name === 'Actions' ? (
          <span class="sr">{name}</span>
        ) : (
          name
        )
      ) : (
        <a href={samePage(view, { sort: current && !down ? `-${sort}` : sort })}>
          {name}
          {current && <span aria-hidden="true">{down ? ' ↓' : ' ↑'}</span>}
        </a>
      )}
    </th>
  );
};

const Tick: FC<{ form: string; name: string; value: string; label: string }> = ({ form, name, value, label }) => (
  <td role="cell" class="tick">
    <label>
      <input type="checkbox" form={form} name={name} value={value} />
      <span class="sr">{label}</span>
    </label>
  </td>
);

const unlabelled = new Set(['id', 'act', 'state']);

const rowOf = <Row,>(props: TableProps<Row>, row: Row) => {
  const { columns, ticks, rowId, rowClass, detail } = props;
  const below = detail?.(row) ?? null;
  return (
    <>
      <tr role="row" class={rowClass?.(row)} data-id={rowId?.(row)}>
        {ticks !== undefined && (
          <Tick form={ticks.form} name={ticks.name ?? 'id'} value={ticks.value(row)} label={ticks.label(row)} />
        )}
        {columns.map((column) => (
          <td
            role="cell"
            class={classOf(column)}
            data-label={unlabelled.has(column.kind ?? '') ? undefined : column.name}
          >
            {column.cell(row)}
          </td>
        ))}
      </tr>
      {below !== null && (
        <tr role="row" class="detail">
          <td role="cell" colspan={columns.length + (ticks === undefined ? 0 : 1)}>
            {below}
          </td>
        </tr>
      )}
    </>
  );
};

/** A list of equal things. The first column names the row and holds its one link; on a phone each row becomes a record. */
export const DataTable = <Row,>(props: TableProps<Row>) => {
  const { caption, columns, rows, ticks, sorted, look, small = false, empty } = props;
  if (rows.length === 0 && empty !== undefined) return <>{empty}</>;
  const looks = (look ?? '')
    .split(' ')
    .filter(Boolean)
    .map((name) => ` t-${name}`)
    .join('');
  return (
    <div class="scroll">
      <table class={`t${small ? '' : ' stack'}${looks}`} role="table">
        <caption class="sr">{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {ticks !== undefined && (
              <th role="columnheader" scope="col" class="tick">
                <span class="sr">Select</span>
              </th>
            )}
            {columns.map((column) => (
              <Head column={column as Column<never>} sorted={sorted} />
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">{rows.map((row) => rowOf(props, row))}</tbody>
      </table>
    </div>
  );
};

/** Below a list: what to do with it at the left, the way to the next page and back to the first at the right. */
export const Pager: FC<{ next: string | null; size: number; children?: Child }> = ({ next, size, children }) => {
  const view = useView();
  const paged = view.query.has('cursor');
  return (
    <>
      <span>{children}</span>
      <span class="end">
        {paged && <a href={samePage(view, {})}>First {size}</a>}
        {next !== null && (
          <a href={samePage(view, { cursor: next })} rel="next">
            Next {size}
          </a>
        )}
      </span>
    </>
  );
};

/** The head line of a list: `5 of 12,718, newest first`. */
export const shownOf = (shown: string, total: string, order: string): string =>
  shown === total ? `${total}, ${order}` : `${shown} of ${total}, ${order}`;
