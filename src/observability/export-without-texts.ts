// Takes the texts of errors out of spans on their way: they may quote what somebody is called.
import type { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';

type Spans = Parameters<OTLPTraceExporter['export']>[0];
type Exporter = Pick<OTLPTraceExporter, 'export' | 'shutdown' | 'forceFlush'>;

export function withoutTexts(exporter: OTLPTraceExporter): Exporter {
  const bare = (span: Spans[number]): Spans[number] =>
    Object.create(span, { events: { value: [] }, status: { value: { code: span.status.code } } }) as Spans[number];
  return {
    export: (spans, done) => exporter.export(spans.map(bare), done),
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush(),
  };
}
