// Traces over OTLP/HTTP. Every event has a trace: its id stands on the event's row, from the sender's traceparent or made when
// the event was stored, so that ingest, apply, relay and delivery, in whatever processes and hours apart, are one trace. Its
// first span is the ingest, under an id that follows from the trace id, so that the others find their parent by the row alone.
// A batch of many events has a trace of its own, with a link to each of theirs, and the database's spans below it, of raw statements
// (db/statement-span.ts) and of Prisma's.
//
// Loaded only when it is wanted. What leaves says nothing of people: ids, types and numbers; texts of errors stay here, since
// a database's may quote what was written.
import type { Context, Span, SpanContext } from '@opentelemetry/api';
import type { Attributes, Stage, Tracing } from '../model/telemetry.ts';
import { createSpanIds, firstSpanIdOf } from './span-ids.ts';

export interface OpenTracing extends Tracing {
  on: true;
  /** What is finished by then is sent. */
  close(): Promise<void>;
}

export interface TracingOptions {
  /** Where spans are posted. */
  url: string;
  /** host/pid/uuid */
  processId: string;
}

export async function openTracing({ url, processId }: TracingOptions): Promise<OpenTracing> {
  const { context, SpanKind, SpanStatusCode, trace, TraceFlags, ROOT_CONTEXT } = await import('@opentelemetry/api');
  const { NodeSDK } = await import('@opentelemetry/sdk-node');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const { PrismaInstrumentation } = await import('@prisma/instrumentation');
  const { createSampler } = await import('./sampler.ts');
  const { withoutTexts } = await import('./export-without-texts.ts');
  const ids = createSpanIds();
  const sdk = new NodeSDK({
    serviceName: 'access-service',
    // The others would tell of the command line and the user.
    autoDetectResources: false,
    traceExporter: withoutTexts(new OTLPTraceExporter({ url })),
    instrumentations: [new PrismaInstrumentation()],
    sampler: createSampler(),
    idGenerator: ids,
    metricReaders: [],
    logRecordProcessors: [],
  });
  sdk.start();
  const tracer = trace.getTracer('access-service');
  const of = { 'service.instance.id': processId };

  const contextOf = (traceId: string, spanId: string): SpanContext => ({ traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true });
  const under = (traceId: string, spanId: string): Context => trace.setSpanContext(ROOT_CONTEXT, contextOf(traceId, spanId));

  function begin(name: string, { traceId, startMs, attributes, parentSpanId }: Stage): Span {
    const options = { startTime: startMs, attributes: { ...of, ...attributes } };
    if (name !== 'ingest') return tracer.startSpan(name, options, under(traceId, firstSpanIdOf(traceId)));
    return ids.as({ traceId, spanId: firstSpanIdOf(traceId) }, () =>
      parentSpanId === undefined
        ? tracer.startSpan(name, { ...options, root: true }, ROOT_CONTEXT)
        : tracer.startSpan(name, options, under(traceId, parentSpanId)),
    );
  }

  return {
    on: true,
    stage: (name, stage) => begin(name, stage).end(),
    async span<T>(name: string, attributes: Attributes, work: (link: (traceIds: readonly string[]) => void) => Promise<T>): Promise<T> {
      const span = tracer.startSpan(name, { kind: SpanKind.INTERNAL, attributes: { ...of, ...attributes }, root: true });
      const link = (traceIds: readonly string[]): void =>
        void span.addLinks(traceIds.map((traceId) => ({ context: contextOf(traceId, firstSpanIdOf(traceId)) })));
      try {
        return await context.with(trace.setSpan(context.active(), span), () => work(link));
      } catch (error) {
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        span.end();
      }
    },
    close: () => sdk.shutdown(),
  };
}
