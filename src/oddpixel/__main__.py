from oddpixel.commands import main

main()
