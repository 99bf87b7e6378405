import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.jayway.jsonpath.Configuration;
import com.jayway.jsonpath.JsonPath;
import com.jayway.jsonpath.PathNotFoundException;
import com.jayway.jsonpath.spi.json.JsonSmartJsonProvider;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.StringWriter;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import net.minidev.json.JSONArray;
import org.apache.commons.lang.StringEscapeUtils;
import org.apache.velocity.VelocityContext;
import org.apache.velocity.app.VelocityEngine;
import org.apache.velocity.app.event.EventCartridge;
import org.apache.velocity.app.event.ReferenceInsertionEventHandler;

/**
 * Renders mapping templates with Apache Velocity, Jayway JsonPath, Jackson and Commons Lang, as API Gateway does.
 *
 * Each line of the input is {"template", "body", "params", "context"}; each line of the output is {"text", "context"} or {"fault"}.
 * Only the variables of API Gateway are written here; what a template means is theirs to say.
 */
public class Render {
    static final ObjectMapper JSON = new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    static final Configuration PATHS = Configuration.builder().jsonProvider(new JsonSmartJsonProvider()).build();
    static final Object MISSING = new Object();

    public static void main(String[] arguments) throws Exception {
        VelocityEngine engine = new VelocityEngine();
        engine.setProperty("runtime.log.logsystem.class", "org.apache.velocity.runtime.log.NullLogChute");
        engine.setProperty("input.encoding", "UTF-8");
        engine.init();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.write(JSON.writeValueAsString(rendered(engine, JSON.readTree(line))));
            out.newLine();
        }
        out.flush();
    }

    static Map<String, Object> rendered(VelocityEngine engine, JsonNode asked) {
        Map<String, Object> answer = new LinkedHashMap<>();
        try {
            Object context = value(asked.get("context"));
            VelocityContext variables = new VelocityContext();
            variables.put("input", new Input(asked.get("body").asText(), asked.get("params")));
            variables.put("util", new Util());
            variables.put("context", context);
            variables.put("stageVariables", new LinkedHashMap<String, Object>());
            EventCartridge events = new EventCartridge();
            // API Gateway prints nothing for a reference to nothing, where Velocity prints its source.
            events.addEventHandler((ReferenceInsertionEventHandler) (reference, found) -> found == null ? "" : found);
            events.attachToContext(variables);
            StringWriter written = new StringWriter();
            if (!engine.evaluate(variables, written, "template", asked.get("template").asText())) {
                throw new IllegalStateException("not rendered");
            }
            answer.put("text", written.toString());
            answer.put("context", context);
        } catch (Exception | StackOverflowError fault) {
            answer.put("fault", String.valueOf(fault));
        }
        return answer;
    }

    /** Maps that keep their order, json-smart's arrays, and Java's own texts and numbers. */
    static Object value(JsonNode node) {
        if (node.isObject()) {
            Map<String, Object> map = new LinkedHashMap<>();
            node.fields().forEachRemaining(field -> map.put(field.getKey(), value(field.getValue())));
            return map;
        }
        if (node.isArray()) {
            JSONArray list = new JSONArray();
            node.forEach(item -> list.add(value(item)));
            return list;
        }
        return node.isNull() ? null : node.isTextual() ? node.asText() : node.isBoolean() ? (Object) node.asBoolean() : node.numberValue();
    }

    public static class Input {
        private final String body;
        private final Map<String, Map<String, String>> params = new LinkedHashMap<>();

        Input(String body, JsonNode given) {
            this.body = body;
            for (String kind : new String[] {"path", "querystring", "header"}) {
                Map<String, String> values = new LinkedHashMap<>();
                if (given.has(kind)) {
                    given.get(kind).fields().forEachRemaining(field -> values.put(field.getKey(), field.getValue().asText()));
                }
                params.put(kind, values);
            }
        }

        public String getBody() {
            return body;
        }

        public Map<String, Map<String, String>> params() {
            return params;
        }

        public String params(String name) {
            for (Map<String, String> values : params.values()) {
                if (values.containsKey(name)) {
                    return values.get(name);
                }
            }
            for (Map.Entry<String, String> header : params.get("header").entrySet()) {
                if (header.getKey().equalsIgnoreCase(name)) {
                    return header.getValue();
                }
            }
            return "";
        }

        private Object at(String path) throws IOException {
            if (body.trim().isEmpty()) {
                return MISSING;
            }
            Object document = value(JSON.readTree(body));
            if (path.equals("$")) {
                return document;
            }
            if (!(document instanceof Map || document instanceof JSONArray)) {
                return MISSING;
            }
            try {
                return JsonPath.using(PATHS).parse(document).read(path);
            } catch (PathNotFoundException absent) {
                return MISSING;
            }
        }

        public Object path(String path) throws IOException {
            Object found = at(path);
            return found == MISSING ? null : found;
        }

        public String json(String path) throws IOException {
            Object found = at(path);
            return found == MISSING ? path.equals("$") ? "{}" : "\"\"" : JSON.writeValueAsString(found);
        }
    }

    public static class Util {
        public String escapeJavaScript(Object text) {
            return text == null ? null : StringEscapeUtils.escapeJavaScript(text.toString());
        }

        public Object parseJson(Object text) throws IOException {
            return text == null ? null : value(JSON.readTree(text.toString()));
        }

        public String urlEncode(Object text) {
            return text == null ? null : URLEncoder.encode(text.toString(), StandardCharsets.UTF_8);
        }

        public String urlDecode(Object text) {
            return text == null ? null : URLDecoder.decode(text.toString(), StandardCharsets.UTF_8);
        }

        public String base64Encode(Object text) {
            return text == null ? null : Base64.getEncoder().encodeToString(text.toString().getBytes(StandardCharsets.UTF_8));
        }

        public String base64Decode(Object text) {
            return text == null ? null : new String(Base64.getDecoder().decode(text.toString()), StandardCharsets.UTF_8);
        }
    }
}
