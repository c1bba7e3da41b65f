package example;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.swf.SwfClient;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * Gives each test class its own Amazon SWF, in memory and on a virtual clock.
 *
 * <pre>{@code
 * @ExtendWith(FlowySim.class)
 * class OrderTest {
 *     @Test
 *     void anOrderIsShipped(FlowySim.Simulation simulation, SwfClient swf) { ... }
 * }
 * }</pre>
 *
 * <p>All test classes share one server: the one at FLOWY_SIM_ENDPOINT if that is set, otherwise a
 * {@code flowy-sim serve} that ends with the test run. Needs JUnit 5.13 and Jackson.
 */
public final class FlowySim implements ParameterResolver {
    private static final Namespace NAMESPACE = Namespace.create(FlowySim.class);

    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
        Class<?> type = parameter.getParameter().getType();
        return type == Simulation.class || type == SwfClient.class;
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
        String server =
                context.getRoot()
                        .getStore(NAMESPACE)
                        .getOrComputeIfAbsent(Server.class, key -> new Server(), Server.class)
                        .endpoint;
        Simulation simulation =
                ofClass(context)
                        .getStore(NAMESPACE)
                        .getOrComputeIfAbsent(
                                Simulation.class, key -> new Simulation(server), Simulation.class);
        boolean wantsSimulation = parameter.getParameter().getType() == Simulation.class;
        return wantsSimulation ? simulation : simulation.client();
    }

    /** Returns the context of the test class, which closes the simulation after its last test. */
    private static ExtensionContext ofClass(ExtensionContext context) {
        return context.getTestMethod().isEmpty() ? context : ofClass(context.getParent().get());
    }

    /** An Amazon SWF in memory that no other test class uses. */
    public static final class Simulation implements AutoCloseable {
        private static final ObjectMapper JSON = new ObjectMapper();
        private static final HttpClient HTTP = HttpClient.newHttpClient();

        /** Its address, for any other client. */
        public final URI endpoint;

        private final List<SwfClient> clients = new ArrayList<>();

        private Simulation(String server) {
            endpoint = URI.create(server + "/test-" + UUID.randomUUID());
            control("POST", "/reset", Map.of("clock", "virtual"));
        }

        /** Returns a client of the AWS SDK for Java 2.x, which is closed with the simulation. */
        public SwfClient client() {
            SwfClient client =
                    SwfClient.builder()
                            .endpointOverride(endpoint)
                            .region(Region.US_EAST_1)
                            .credentialsProvider(
                                    StaticCredentialsProvider.create(
                                            AwsBasicCredentials.create("test", "test")))
                            // As a builder, the client keeps the read time-out of 90 s that the
                            // SDK sets for SWF; a client built here would have its own of 30 s.
                            .httpClientBuilder(UrlConnectionHttpClient.builder())
                            .build();
            clients.add(client);
            return client;
        }

        /** Returns the simulated time. */
        public Instant now() {
            return Instant.parse(control("GET", "/clock", Map.of()).get("now").asText());
        }

        /** Lets simulated time pass. */
        public void advance(Duration duration) {
            control("POST", "/clock/advance", Map.of("seconds", duration.toMillis() / 1000.0));
        }

        /** Makes a call of Amazon SWF after some simulated time. */
        public void after(Duration duration, String operation, Map<String, Object> parameters) {
            double seconds = duration.toMillis() / 1000.0;
            control(
                    "POST",
                    "/after",
                    Map.of("seconds", seconds, "operation", operation, "parameters", parameters));
        }

        /**
         * Adds a stub of an activity, a workflow or a Lambda function, so that a test needs no
         * worker.
         *
         * @param stub what is stubbed and the answer, such as {@code Map.of("activity", "ship",
         *     "version", "1", "result", "shipped", "takes", 60)}
         */
        public void stub(Map<String, Object> stub) {
            control("POST", "/stubs", stub);
        }

        /** Returns the calls of stubs with their input, the oldest first. */
        public List<JsonNode> calls() {
            List<JsonNode> calls = new ArrayList<>();
            control("GET", "/stubs/calls", Map.of()).get("calls").forEach(calls::add);
            return calls;
        }

        /**
         * Waits until nothing will happen any more without a call from outside.
         *
         * @param atMost the real time to wait
         * @throws AssertionError if something is still happening after that time
         */
        public void settle(Duration atMost) {
            Map<String, Object> body = Map.of("seconds", atMost.toMillis() / 1000.0);
            if (!control("POST", "/settle", body).get("still").asBoolean()) {
                throw new AssertionError("the simulation has not settled after " + atMost);
            }
        }

        /** Deletes everything in the simulation, and answers the waiting polls. */
        public void reset() {
            control("POST", "/reset", Map.of());
        }

        /** Deletes the simulation and closes its clients. */
        @Override
        public void close() {
            control("DELETE", "", Map.of());
            clients.forEach(SwfClient::close);
        }

        /** Sends a request to control the simulation. */
        private JsonNode control(String method, String path, Map<String, Object> body) {
            try {
                var request =
                        HttpRequest.newBuilder(URI.create(endpoint + "/_flowy" + path))
                                .method(
                                        method,
                                        method.equals("GET")
                                                ? BodyPublishers.noBody()
                                                : BodyPublishers.ofString(
                                                        JSON.writeValueAsString(body)))
                                .build();
                var response = HTTP.send(request, BodyHandlers.ofString());
                if (response.statusCode() != 200) {
                    throw new IllegalStateException(
                            String.format(
                                    "%s %s: %d: %s",
                                    method, path, response.statusCode(), response.body()));
                }
                return JSON.readTree(response.body());
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            } catch (InterruptedException error) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException(error);
            }
        }
    }

    /** The one server of a test run. */
    private static final class Server implements AutoCloseable {
        // The server ends with the command that it runs. This one prints the address, then reads a
        // pipe that the operating system closes when this process ends.
        private static final String COMMAND = "echo \"$AWS_ENDPOINT_URL_SWF\"; cat";

        private final Process process;
        private final String endpoint;

        private Server() {
            String given = System.getenv("FLOWY_SIM_ENDPOINT");
            try {
                process = given == null ? start() : null;
                endpoint = given == null ? firstLine(process) : given.replaceAll("/$", "");
            } catch (IOException error) {
                throw new UncheckedIOException(
                        "flowy-sim cannot be started; is it on the PATH?", error);
            }
        }

        private static Process start() throws IOException {
            return new ProcessBuilder(
                            "flowy-sim", "serve", "--clock", "virtual", "--", "sh", "-c", COMMAND)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
        }

        private static String firstLine(Process process) throws IOException {
            String line =
                    new BufferedReader(new InputStreamReader(process.getInputStream())).readLine();
            if (line == null) {
                throw new IOException("flowy-sim serve ended without printing its address");
            }
            return line;
        }

        @Override
        public void close() throws IOException {
            if (process != null) {
                process.getOutputStream().close();
            }
        }
    }
}
