// A span for each raw statement, below the one of the work that it is part of (observability/tracing.ts); nothing where there is
// none. The name says which statement; its text and its values stay here.
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

const tracer = trace.getTracer('access-service');

/** `statement`: its name if it has one, or its text, of which the first word is told. */
export function inSpan<T>(statement: string, run: () => Promise<T>): Promise<T> {
  if (!trace.getActiveSpan()) return run();
  const name = /\w+/.exec(statement)?.[0] ?? 'statement';
  const span = tracer.startSpan(`postgres: ${name}`, { kind: SpanKind.CLIENT, attributes: { 'db.system.name': 'postgresql' } });
  return run().then(
    (answer) => {
      span.end();
      return answer;
    },
    (error: unknown) => {
      span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
      throw error;
    },
  );
}
