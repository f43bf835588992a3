package dev.streamjob.examples;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.UUID;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.source.util.ratelimit.RateLimiterStrategy;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.filesystem.BucketAssigner;
import org.apache.flink.streaming.api.functions.sink.filesystem.bucketassigners.SimpleVersionedStringSerializer;
import org.apache.flink.streaming.api.functions.sink.filesystem.rollingpolicies.OnCheckpointRollingPolicy;
import org.apache.flink.util.ParameterTool;

/**
 * Numbers records per key and writes them exactly once, so that a reader of the files can prove that none was lost
 * and none was doubled, whatever happened to the job in between.
 *
 * <p>Record n (from 0) has the key n % keys and must get the sequence n / keys + 1. Every fresh run draws a run name
 * and keeps it in its state, so the files of each fresh run lie in a directory of their own: {@code OUTPUT/run-...}.
 * A run that goes on from a snapshot keeps its name.
 *
 * <pre>
 * --output DIRECTORY        where the files go (required)
 * --rate NUMBER             records per second, default 100
 * --keys NUMBER             default 8
 * --limit NUMBER            end after so many records; without it the job runs until it is stopped
 * --fail-when-file PATH     throw an exception while this file exists: lets a test fail the job at will
 * --slow-snapshot-ms NUMBER make each snapshot take at least so long: lets a test act during a snapshot
 * </pre>
 */
public final class NumberedRecords {
    private NumberedRecords() {}

    public static void main(String[] args) throws Exception {
        ParameterTool options = ParameterTool.fromArgs(args);
        int keys = options.getInt("keys", 8);
        DataGeneratorSource<Long> numbers =
                new DataGeneratorSource<>(
                        number -> number,
                        options.getLong("limit", Long.MAX_VALUE),
                        RateLimiterStrategy.perSecond(options.getDouble("rate", 100)),
                        Types.LONG);
        FileSink<NumberedRecord> files =
                FileSink.<NumberedRecord>forRowFormat(
                                new org.apache.flink.core.fs.Path(options.getRequired("output")),
                                (record, stream) -> stream.write(record.line()))
                        .withBucketAssigner(new DirectoryPerRun())
                        .withRollingPolicy(OnCheckpointRollingPolicy.build())
                        .build();

        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment
                .fromSource(numbers, WatermarkStrategy.noWatermarks(), "numbers")
                .uid("numbers")
                // One source task: with several, Flink would cut the numbers into ranges far apart.
                .setParallelism(1)
                .map(
                        new NameOfRun(
                                keys,
                                options.get("fail-when-file"),
                                Duration.ofMillis(options.getLong("slow-snapshot-ms", 0))))
                .name("name of the run")
                .uid("name-of-run")
                .setParallelism(1)
                .keyBy(record -> record.key)
                .map(new Numbering())
                .name("numbering per key")
                .uid("numbering")
                .sinkTo(files)
                .name("files")
                .uid("files");
        environment.execute("numbered-records");
    }

    /** One line of the output. A public class with public fields, as Flink's POJO serializer wants it. */
    public static class NumberedRecord {
        public String run;
        public long number;
        public int key;
        public long sequence;

        byte[] line() {
            return (key + "," + sequence + "," + number + "\n").getBytes(StandardCharsets.UTF_8);
        }
    }

    /** Draws the run's name at its first start, keeps it from then on, and puts it on every record. */
    static final class NameOfRun extends RichMapFunction<Long, NumberedRecord> implements CheckpointedFunction {
        private final int keys;
        private final String failWhenFile;
        private final Duration snapshotTime;
        private transient ListState<String> kept;
        private transient String name;

        NameOfRun(int keys, String failWhenFile, Duration snapshotTime) {
            this.keys = keys;
            this.failWhenFile = failWhenFile;
            this.snapshotTime = snapshotTime;
        }

        @Override
        public void initializeState(FunctionInitializationContext context) throws Exception {
            kept = context.getOperatorStateStore().getListState(new ListStateDescriptor<>("name", Types.STRING));
            for (String restored : kept.get()) {
                name = restored;
            }
            if (name == null) {
                // The time comes first, so that names sort by age.
                DateTimeFormatter time = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmssSSS");
                name = "run-" + time.format(ZonedDateTime.now(ZoneOffset.UTC))
                        + "-" + UUID.randomUUID().toString().substring(0, 4);
            }
        }

        @Override
        public void snapshotState(FunctionSnapshotContext context) throws Exception {
            Thread.sleep(snapshotTime.toMillis());
            kept.update(List.of(name));
        }

        @Override
        public NumberedRecord map(Long number) {
            if (failWhenFile != null && Files.exists(Path.of(failWhenFile))) {
                throw new IllegalStateException("Told to fail: the file " + failWhenFile + " exists");
            }
            NumberedRecord record = new NumberedRecord();
            record.run = name;
            record.number = number;
            record.key = (int) (number % keys);
            return record;
        }
    }

    /** Gives each record the next sequence of its key, counted in keyed state. */
    static final class Numbering extends RichMapFunction<NumberedRecord, NumberedRecord> {
        private transient ValueState<Long> last;

        @Override
        public void open(OpenContext context) {
            last = getRuntimeContext().getState(new ValueStateDescriptor<>("last", Types.LONG));
        }

        @Override
        public NumberedRecord map(NumberedRecord record) throws IOException {
            Long before = last.value();
            record.sequence = before == null ? 1 : before + 1;
            last.update(record.sequence);
            return record;
        }
    }

    /** Files of one run lie in the directory that is named as the run. */
    static final class DirectoryPerRun implements BucketAssigner<NumberedRecord, String> {
        @Override
        public String getBucketId(NumberedRecord record, Context context) {
            return record.run;
        }

        @Override
        public SimpleVersionedSerializer<String> getSerializer() {
            return SimpleVersionedStringSerializer.INSTANCE;
        }
    }
}
