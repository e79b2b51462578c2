import type { Need } from '../machines/needs.ts'

export interface Language {
  readonly generator: string
  /** The folder with the program that does the main job. */
  readonly folder: string
  readonly needs: Need[]
  /**
   * A script that generates the client of `integrators.yaml` and builds the program with it, in a folder that has both.
   */
  readonly build: string
  /** Run there by a shell, it prints what became of it as JSON. */
  readonly run: string
}

/** The generators that speak most languages, as Maven has them. */
const openapiGenerator = (options: string) => `
mvn -q -B dependency:copy -Dartifact=org.openapitools:openapi-generator-cli:7.25.0 -DoutputDirectory=generator
java -jar generator/openapi-generator-cli-7.25.0.jar generate --input-spec integrators.yaml ${options}`

export const languages: readonly Language[] = [
  {
    generator: 'oapi-codegen (Go)',
    folder: 'go-oapi-codegen',
    needs: ['go'],
    build: `
go mod init languages
go get github.com/oapi-codegen/runtime@v1.9.0
mkdir carbuddii
go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 \\
  -generate types,client -package carbuddii -o carbuddii/client.go integrators.yaml
go mod tidy
go build -o main .`,
    run: 'exec ./main',
  },
  {
    generator: 'ogen (Go)',
    folder: 'go-ogen',
    needs: ['go'],
    build: `
go mod init languages
go get github.com/ogen-go/ogen@v1.24.0
go run github.com/ogen-go/ogen/cmd/ogen@v1.24.0 --target carbuddii --package carbuddii integrators.yaml
go mod tidy
go build -o main .`,
    run: 'exec ./main',
  },
  {
    generator: 'openapi-python-client',
    folder: 'python',
    needs: ['python3 venv'],
    build: `
python3 -m venv venv
venv/bin/pip install --quiet openapi-python-client==0.29.1
echo 'package_name_override: carbuddii' > config.yaml
venv/bin/openapi-python-client generate --path integrators.yaml --config config.yaml --output-path client
venv/bin/pip install --quiet ./client`,
    run: 'exec venv/bin/python main.py',
  },
  {
    generator: 'openapi-generator (Java)',
    folder: 'java',
    needs: ['java and maven'],
    build: `${openapiGenerator(`--generator-name java --library native --output client --additional-properties \\
  apiPackage=carbuddii,modelPackage=carbuddii,invokerPackage=carbuddii,openApiNullable=false`)}
cp Main.java client/src/main/java/carbuddii/
cd client
mvn -q -B -DskipTests compile dependency:build-classpath -Dmdep.outputFile=classpath`,
    run: 'exec java -cp client/target/classes:$(cat client/classpath) carbuddii.Main',
  },
  {
    generator: 'openapi-generator (Rust)',
    folder: 'rust',
    needs: ['cargo', 'java and maven'],
    build: `${openapiGenerator('--generator-name rust --output client --additional-properties packageName=carbuddii')}
cargo build --quiet`,
    run: 'exec cargo run --quiet',
  },
  {
    generator: 'openapi-generator (PHP)',
    folder: 'php',
    needs: ['php with guzzle', 'java and maven'],
    build: openapiGenerator('--generator-name php --output client --additional-properties invokerPackage=CarBuddii'),
    run: 'exec php main.php',
  },
  {
    generator: 'openapi-generator (Ruby)',
    folder: 'ruby',
    needs: ['ruby with typhoeus', 'java and maven'],
    build: openapiGenerator(
      '--generator-name ruby --output client --additional-properties gemName=carbuddii,moduleName=CarBuddii',
    ),
    run: 'exec ruby -I client/lib main.rb',
  },
]
